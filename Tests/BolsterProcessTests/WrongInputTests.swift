import Foundation
import Testing

/// What a person gets to read when something is wrong with what bolster was given.
@Suite(.enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct WrongInputTests {
    @Test(
        "A wrong manifest gets every mistake at once, each with its line and column",
        arguments: ["plan", "run"])
    func manifest(_ verb: String) throws {
        let small = try SmallRun()
        let wrong = small.text
            .replacingOccurrences(of: "chunk: 16", with: "chunk: none")
            .replacingOccurrences(of: "views: 2", with: "vews: 2")
        try small.write(wrong)
        let result = try Program.run([verb, small.manifest])
        #expect(result.status == 1)
        #expect(result.errors.contains("\(small.manifest):3:8:"), "\(result.errors)")
        #expect(result.errors.contains("none"))
        #expect(result.errors.contains("\(small.manifest):8:3:"))
        #expect(result.errors.contains("vews"))
        #expect(!FileManager.default.fileExists(atPath: small.output))
    }

    @Test("A manifest that is not there is named")
    func noManifest() throws {
        let result = try Program.run(["plan", "/nonexistent/manifest.yaml"])
        #expect(result.status == 1)
        #expect(result.errors.contains("/nonexistent/manifest.yaml"))
    }

    @Test("A missing model is named before anything is started")
    func missingModel() throws {
        var small = try SmallRun()
        small.teacher = small.folder.path + "/no-such-teacher"
        let result = try small.run()
        #expect(result.status == 1)
        #expect(result.errors.contains(small.teacher), "\(result.errors)")
        #expect(!FileManager.default.fileExists(atPath: small.output + "/records"))
    }

    @Test("A model whose file was changed is refused with the file's name")
    func changedModel() throws {
        var small = try SmallRun()
        let copy = small.folder.path + "/teacher"
        try FileManager.default.copyItem(atPath: small.teacher, toPath: copy)
        let graph = copy + "/image.onnx"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: graph))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: graph))
        small.teacher = copy
        let result = try small.run()
        #expect(result.status != 0)
        #expect(result.errors.contains("image.onnx"), "\(result.errors)")
    }

    @Test("Every missing shard is listed")
    func missingShards() throws {
        var small = try SmallRun()
        small.shards = small.folder.path + "/{00..02}.tar"
        let result = try small.run()
        #expect(result.status == 1)
        for name in ["00.tar", "01.tar", "02.tar"] {
            #expect(result.errors.contains(name), "\(result.errors)")
        }
    }

    @Test("A damaged shard ends in quarantine, named, with exit code 2, and the sound one is merged")
    func damagedShard() throws {
        var small = try SmallRun()
        let sound = try Data(contentsOf: URL(fileURLWithPath: small.shards))
        try sound.write(to: URL(fileURLWithPath: small.folder.path + "/sound.tar"))
        var damaged = sound
        // A header in the middle: half of the samples come out before it.
        for index in damaged.count / 2..<damaged.count / 2 + 4_096 { damaged[index] = 0xAA }
        try damaged.write(to: URL(fileURLWithPath: small.folder.path + "/damaged.tar"))
        small.shards = small.folder.path + "/{damaged,sound}.tar"
        let result = try small.run()
        #expect(result.status == 2, "\(result.errors)")
        #expect((result.output + result.errors).contains("damaged"))
        #expect(FileManager.default.fileExists(atPath: small.output + "/dataset/sound.tar"))
    }

    @Test("Without ONNX Runtime the error names the command that installs it")
    func noRuntime() throws {
        let small = try SmallRun()
        let result = try small.run(environment: ["BOLSTER_ONNXRUNTIME": "/nonexistent/libonnxruntime.so"])
        #expect(result.status == 1)
        #expect(result.errors.contains("/nonexistent/libonnxruntime.so"), "\(result.errors)")
        #expect(result.errors.contains("tools/setup.sh"))
        #expect(!FileManager.default.fileExists(atPath: small.output + "/records"))
    }

    @Test("A port in use is named with what to do", arguments: ["run", "coordinate"])
    func portInUse(_ verb: String) throws {
        let listener = try Listener()
        let small = try SmallRun()
        let endpoint = "tcp://127.0.0.1:\(listener.port)"
        let arguments = verb == "run" ? [] : ["--state", small.folder.path + "/state"]
        try small.write()
        let result = try Program.run([verb, small.manifest, "--listen", endpoint] + arguments)
        #expect(result.status == 1)
        #expect(result.errors.contains(endpoint), "\(result.errors)")
        #expect(result.errors.contains("another port"))
    }

    @Test("Off loopback without keys the coordinator refuses to listen and the worker to connect")
    func keysRequired() throws {
        let small = try SmallRun()
        try small.write()
        let listening = try Program.run(
            ["coordinate", small.manifest, "--listen", "tcp://*:0", "--state", small.folder.path + "/state"])
        #expect(listening.status == 1)
        #expect(listening.errors.contains("bolster keys new"), "\(listening.errors)")
        let connecting = try Program.run(["work", "--coordinator", "tcp://192.0.2.1:5570"])
        #expect(connecting.status != 0)
        #expect(connecting.errors.contains("--server-key"), "\(connecting.errors)")
    }

    @Test("An output that cannot be written is named")
    func unwritableOutput() throws {
        let small = try SmallRun()
        let file = small.folder.path + "/file"
        try Data().write(to: URL(fileURLWithPath: file))
        let result = try small.run(output: file + "/out")
        #expect(result.status == 1)
        #expect(result.errors.contains(file), "\(result.errors)")
    }

    @Test("A wrong flag is wrong usage, exit code 64")
    func usage() throws {
        #expect(try Program.run(["run", "--no-such-flag"]).status == 64)
        #expect(try Program.run(["no-such-verb"]).status == 64)
        #expect(try Program.run(["run", "x.yaml", "--workers", "0"]).status == 64)
    }
}
