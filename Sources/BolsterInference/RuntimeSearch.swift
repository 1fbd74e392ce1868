import Foundation

/// The places where ONNX Runtime may lie, in the order in which they are tried.
package struct RuntimeSearch {
    package struct Place: Equatable {
        /// For an error message.
        let described: String
        /// What to hand to the loader; nil where no such file exists.
        let library: String?
    }

    package let places: [Place]

    /// The running program's own file.
    package static var currentExecutable: String {
        do {
            return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        } catch {
            // Without /proc the argument is what there is; a wrong folder is reported among the places.
            return CommandLine.arguments.first ?? "."
        }
    }

    init(environment: [String: String], executable: String) {
        let variable = InferenceRuntime.environmentVariable
        if let named = environment[variable], !named.isEmpty {
            places = [Place(described: "\(variable)=\(named)", library: Self.library(at: named))]
            return
        }
        let folder = URL(fileURLWithPath: executable).standardizedFileURL.deletingLastPathComponent()
        var folders = [folder.path, folder.deletingLastPathComponent().appendingPathComponent("lib").path]
        var ancestor = folder
        for _ in 0..<8 {
            folders.append(ancestor.appendingPathComponent(".tools/onnxruntime/lib").path)
            if ancestor.path == "/" { break }
            ancestor = ancestor.deletingLastPathComponent()
        }
        places =
            folders.map { Place(described: $0, library: Self.library(in: $0)) }
            + ["libonnxruntime.so", "libonnxruntime.so.1"].map { (name: String) in
                Place(described: "the system's loader (\(name))", library: name)
            }
    }

    /// A file is taken as it is; in a folder, or in its `lib` or `capi` (as a wheel has it), the library
    /// is looked for by name.
    private static func library(at path: String) -> String? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return nil }
        if !isFolder.boolValue { return path }
        for folder in [path, path + "/lib", path + "/capi"] {
            if let found = library(in: folder) { return found }
        }
        return nil
    }

    /// `libonnxruntime.so` itself, else the versioned name that sorts last.
    private static func library(in folder: String) -> String? {
        guard FileManager.default.fileExists(atPath: folder) else { return nil }
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            // A folder that may not be read holds nothing for us; the caller reports the place.
            return nil
        }
        let matching = names.filter { $0 == "libonnxruntime.so" || $0.hasPrefix("libonnxruntime.so.") }
        guard let name = matching.contains("libonnxruntime.so") ? "libonnxruntime.so" : matching.max() else {
            return nil
        }
        return folder + "/" + name
    }
}
