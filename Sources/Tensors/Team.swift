import Foundation
import Synchronization

/// Threads that share the work of one operation. Work is cut by its caller, by shape alone; which
/// thread does which piece changes no bit of the result.
///
/// Sendable: all mutable state is either atomic or guarded by `condition`, and the body of a run is
/// only touched between its start and its end, which `run` waits for.
package final class Team: @unchecked Sendable {
  private typealias Body = (_ task: Int, _ lane: Int) -> Void

  /// Threads that may ever take part, the caller among them.
  package let size: Int
  private let condition = NSCondition()
  private let generation = Atomic<Int>(0)
  private let nextTask = Atomic<Int>(0)
  private let finished = Atomic<Int>(0)
  private var body: UnsafePointer<Body>?
  private var tasks = 0
  private var active = 1
  private var started = 1
  private var isClosed = false
  private var allotted = 1

  package init(size: Int) {
    precondition(size >= 1, "a team of \(size) threads")
    self.size = size
    allotted = size
  }

  /// Threads that take part from the next run on; between 1 and `size`.
  package var width: Int {
    get { allotted }
    set { allotted = min(max(newValue, 1), size) }
  }

  /// Ends the threads; the team must not be used afterwards.
  package func close() {
    condition.withLock {
      isClosed = true
      condition.broadcast()
    }
  }

  /// Calls `body` for each task from 0 on, on up to `width` threads, and returns when all are done.
  /// `lane` is below `size` and tells a thread's own workspace.
  package func run(_ tasks: Int, _ body: (_ task: Int, _ lane: Int) -> Void) {
    let width = min(allotted, tasks)
    guard width > 1 else {
      for task in 0..<tasks { body(task, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { share($0, tasks: tasks, width: width) }
    }
  }

  /// Lanes see the body through a pointer to the caller's frame and hold no reference to it once
  /// they have counted themselves finished.
  private func share(_ body: UnsafePointer<Body>, tasks: Int, width: Int) {
    condition.withLock {
      while started < width {
        start(lane: started)
        started += 1
      }
      self.body = body
      self.tasks = tasks
      active = width
      nextTask.store(0, ordering: .relaxed)
      finished.store(0, ordering: .relaxed)
      generation.add(1, ordering: .releasing)
      condition.broadcast()
    }
    work(body, tasks: tasks, lane: 0)
    // The other lanes are inside their last task: waiting is short.
    var spins = 0
    while finished.load(ordering: .acquiring) < width {
      spins += 1
      if spins > 20_000 { sched_yield() }
    }
    condition.withLock { self.body = nil }
  }

  private func work(_ body: UnsafePointer<Body>, tasks: Int, lane: Int) {
    takeTasks(body, tasks: tasks, lane: lane)
    finished.add(1, ordering: .acquiringAndReleasing)
  }

  @inline(never)
  private func takeTasks(_ body: UnsafePointer<Body>, tasks: Int, lane: Int) {
    while true {
      let task = nextTask.add(1, ordering: .relaxed).oldValue
      guard task < tasks else { break }
      body.pointee(task, lane)
    }
  }

  private func start(lane: Int) {
    let seen = generation.load(ordering: .acquiring)
    let thread = Thread { [self] in loop(lane: lane, seen: seen) }
    thread.name = "lane \(lane)"
    thread.stackSize = 1 << 20
    thread.start()
  }

  private func loop(lane: Int, seen: Int) {
    var seen = seen
    while true {
      // Operations follow each other within microseconds: look a while before going to sleep.
      var spins = 0
      while generation.load(ordering: .acquiring) == seen, spins < 4_000 { spins += 1 }
      condition.lock()
      while generation.load(ordering: .acquiring) == seen, !isClosed { condition.wait() }
      if isClosed {
        condition.unlock()
        return
      }
      seen = generation.load(ordering: .acquiring)
      let job = lane < active ? body : nil
      let tasks = tasks
      condition.unlock()
      if let job { work(job, tasks: tasks, lane: lane) }
    }
  }
}

/// How a ghost batch is cut for work and for sums: into at most eight runs of images, by their number
/// alone. Sums over the pieces are combined as a balanced tree.
package struct Cut {
  package let items: Int
  package let pieces: Int

  package static let most = 8

  package init(_ items: Int) {
    self.items = items
    pieces = max(1, min(Cut.most, items))
  }

  package subscript(piece: Int) -> Range<Int> {
    piece * items / pieces..<(piece + 1) * items / pieces
  }

  package static func largestPiece(of items: Int) -> Int { (items + most - 1) / most }
}
