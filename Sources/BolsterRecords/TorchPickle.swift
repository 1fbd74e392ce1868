/// Reads the pickle inside a `torch.save` archive of a dictionary of matrices, whoever wrote it, and runs
/// nothing: of pickle's opcodes (`Lib/pickletools.py`, protocols 2 to 5) it knows those that such a
/// dictionary takes, and of callables the two that PyTorch names there. Everything else is refused.
///
///     {"image_emb": torch._utils._rebuild_tensor_v2(storage, offset, (rows, width), (width, 1), …), …}
struct TorchPickle {
    /// Where a matrix lies: `rows` rows of `width` numbers, `stride` apart, from the `offset`-th number of a
    /// storage.
    struct Tensor: Equatable {
        var name: String
        /// The file below `data/`.
        var storage: String
        var type: TensorType
        var offset: Int
        var rows: Int
        var width: Int
        var stride: Int
    }

    /// What lies on the unpickler's stack.
    private indirect enum Value {
        case mark
        case other
        case text(String)
        case number(Int)
        case callable(String)
        case tuple([Value])
        case storage(String, TensorType)
        case tensor(Tensor)
        case dictionary([Tensor])
    }

    private static let stepsMax = 10_000
    /// Keeps products of two sides from overflowing.
    private static let sideMax = 1 << 28

    private let bytes: [UInt8]
    private var offset = 0
    private var stack: [Value] = []
    private var memo: [Int: Value] = [:]

    /// The matrices in the dictionary's order; nil where the pickle is anything else.
    static func tensors(in bytes: [UInt8]) -> [Tensor]? {
        var reader = TorchPickle(bytes: bytes)
        for _ in 0..<stepsMax {
            guard let opcode = reader.byte() else { return nil }
            if opcode == UInt8(ascii: ".") {
                guard reader.stack.count == 1, case .dictionary(let tensors)? = reader.stack.last else {
                    return nil
                }
                return tensors
            }
            guard reader.run(opcode) else { return nil }
        }
        return nil
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    // MARK: Opcodes

    /// False where the opcode is unknown or has not what it takes.
    private mutating func run(_ opcode: UInt8) -> Bool {
        switch opcode {
        case 0x80: return take(1) != nil  // PROTO
        case 0x95: return take(8) != nil  // FRAME
        case UInt8(ascii: "}"): return push(.dictionary([]))
        case UInt8(ascii: ")"): return push(.tuple([]))
        case UInt8(ascii: "("): return push(.mark)
        case UInt8(ascii: "N"), 0x88, 0x89: return push(.other)  // None, True, False
        case UInt8(ascii: "X"), 0x8C: return pushText(lengthBytes: opcode == 0x8C ? 1 : 4)
        case UInt8(ascii: "K"), UInt8(ascii: "M"), UInt8(ascii: "J"):
            return pushNumber(opcode == UInt8(ascii: "K") ? 1 : opcode == UInt8(ascii: "M") ? 2 : 4)
        case UInt8(ascii: "c"): return pushGlobal()
        case 0x93:  // STACK_GLOBAL
            guard case .text(let name)? = stack.popLast(), case .text(let module)? = stack.popLast() else {
                return false
            }
            return push(.callable("\(module).\(name)"))
        case UInt8(ascii: "q"), UInt8(ascii: "r"): return remember(opcode == UInt8(ascii: "q") ? 1 : 4)
        case 0x94: return remember(at: memo.count)  // MEMOIZE
        case UInt8(ascii: "h"), UInt8(ascii: "j"):
            return integer(opcode == UInt8(ascii: "h") ? 1 : 4).flatMap { memo[$0] }.map { push($0) } ?? false
        case UInt8(ascii: "t"): return sinceMark().map { push(.tuple($0)) } ?? false
        case 0x85, 0x86, 0x87: return pushTuple(Int(opcode - 0x84))
        case UInt8(ascii: "Q"): return pushStorage()
        case UInt8(ascii: "R"): return call()
        case UInt8(ascii: "s"): return pushTuple(2) && setFields(of: stack.popLast().map { [$0] } ?? [])
        case UInt8(ascii: "u"): return setFields()
        default: return false
        }
    }

    private mutating func push(_ value: Value) -> Bool {
        stack.append(value)
        return true
    }

    private mutating func pushText(lengthBytes: Int) -> Bool {
        guard let count = integer(lengthBytes), let text = take(count) else { return false }
        return push(.text(String(decoding: text, as: UTF8.self)))
    }

    private mutating func pushNumber(_ count: Int) -> Bool {
        guard let number = integer(count) else { return false }
        // Four bytes are a signed number, one and two are not.
        return push(.number(count == 4 ? Int(Int32(truncatingIfNeeded: number)) : number))
    }

    /// Two lines: a module and a name in it.
    private mutating func pushGlobal() -> Bool {
        guard let module = line(), let name = line() else { return false }
        return push(.callable("\(module).\(name)"))
    }

    private mutating func pushTuple(_ count: Int) -> Bool {
        guard stack.count >= count else { return false }
        let values = Array(stack.suffix(count))
        stack.removeLast(count)
        return push(.tuple(values))
    }

    /// ("storage", type, key, device, numbers) names a file of the archive.
    private mutating func pushStorage() -> Bool {
        guard case .tuple(let parts)? = stack.popLast(), parts.count == 5,
            case .callable(let name) = parts[1],
            case .text(let key) = parts[2]
        else { return false }
        switch name {
        case "torch.BFloat16Storage": return push(.storage(key, .bf16))
        case "torch.FloatStorage": return push(.storage(key, .fp32))
        default: return false
        }
    }

    private mutating func call() -> Bool {
        guard case .tuple(let arguments)? = stack.popLast(), case .callable(let name)? = stack.popLast()
        else {
            return false
        }
        switch name {
        case "collections.OrderedDict" where arguments.isEmpty: return push(.dictionary([]))
        case "torch._utils._rebuild_tensor_v2":
            guard arguments.count >= 4, case .storage(let key, let type) = arguments[0],
                case .number(let offset) = arguments[1], let sides = Self.pair(arguments[2]),
                let strides = Self.pair(arguments[3])
            else { return false }
            // A row's numbers lie side by side, as they do in whatever was not turned around.
            guard [offset, sides.0, sides.1, strides.0].allSatisfy((0...Self.sideMax).contains),
                strides.1 == 1 || sides.1 <= 1 || sides.0 == 0
            else { return false }
            return push(
                .tensor(
                    Tensor(
                        name: "", storage: key, type: type, offset: offset, rows: sides.0, width: sides.1,
                        stride: strides.0)))
        default: return false
        }
    }

    private static func pair(_ value: Value) -> (Int, Int)? {
        guard case .tuple(let sides) = value, sides.count == 2, case .number(let first) = sides[0],
            case .number(let second) = sides[1]
        else { return nil }
        return (first, second)
    }

    /// Name after name with its tensor, down to the mark, into the dictionary below it.
    private mutating func setFields() -> Bool {
        guard let values = sinceMark(), values.count.isMultiple(of: 2) else { return false }
        return setFields(
            of: stride(from: 0, to: values.count, by: 2).map { .tuple(Array(values[$0..<($0 + 2)])) })
    }

    private mutating func setFields(of pairs: [Value]) -> Bool {
        guard case .dictionary(var tensors)? = stack.popLast() else { return false }
        for pair in pairs {
            guard case .tuple(let parts) = pair, case .text(let name) = parts[0],
                case .tensor(var tensor) = parts[1]
            else { return false }
            tensor.name = name
            tensors.append(tensor)
        }
        return push(.dictionary(tensors))
    }

    private mutating func sinceMark() -> [Value]? {
        let mark = stack.lastIndex {
            if case .mark = $0 { return true }
            return false
        }
        guard let mark else { return nil }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[(mark + 1)...])
    }

    private mutating func remember(_ count: Int) -> Bool {
        guard let place = integer(count) else { return false }
        return remember(at: place)
    }

    private mutating func remember(at place: Int) -> Bool {
        guard let value = stack.last else { return false }
        memo[place] = value
        return true
    }

    // MARK: Bytes

    private mutating func byte() -> UInt8? { take(1)?.first }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= bytes.count - offset else { return nil }
        defer { offset += count }
        return bytes[offset..<(offset + count)]
    }

    private mutating func integer(_ count: Int) -> Int? {
        take(count).map { $0.reversed().reduce(0) { $0 << 8 | Int($1) } }
    }

    private mutating func line() -> String? {
        guard let end = bytes[offset...].firstIndex(of: 0x0A) else { return nil }
        defer { offset = end + 1 }
        return String(decoding: bytes[offset..<end], as: UTF8.self)
    }
}
