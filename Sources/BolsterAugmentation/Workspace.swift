import CPixelKernels
import Synchronization

/// Scratch memory of one thread's views: what it needs is asked for once and kept.
final class Workspace: @unchecked Sendable {
    // Unchecked: a workspace is either in its pool or with the one thread that took it.
    let handle: OpaquePointer

    init() {
        guard let handle = pixel_workspace_create() else {
            fatalError("out of memory for 300 bytes of workspace")
        }
        self.handle = handle
    }

    deinit { pixel_workspace_free(handle) }

    /// One of three image buffers, at least `count` bytes.
    func image(_ index: Int32, _ count: Int) throws(AugmentationError) -> UnsafeMutablePointer<UInt8> {
        guard let pixels = pixel_workspace_image(handle, index, count) else {
            throw AugmentationError(.outOfMemory, "no memory for \(count) bytes of pixels")
        }
        return pixels
    }
}

/// Idle workspaces. There are never more than threads that were inside a view at once.
final class WorkspacePool: Sendable {
    private let idle = Mutex<[Workspace]>([])

    func take() -> Workspace { idle.withLock { $0.popLast() } ?? Workspace() }
    func giveBack(_ workspace: Workspace) { idle.withLock { $0.append(workspace) } }
}
