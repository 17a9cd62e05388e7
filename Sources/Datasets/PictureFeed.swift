import Foundation
import Tensors

/// Batches of pictures, decoded ahead of the trainer: a ring of a few batches that threads of the lowest
/// priority fill while the trainer computes. The trainer's own threads decode what is not there yet when a
/// batch is asked for, so no core is idle. A batch depends on its number alone: threads change no bit.
///
/// Sendable: everything that changes is guarded by `condition`; a picture's pixels are written by the one
/// thread that has claimed it, and read when all of its batch are done.
final class PictureFeed: @unchecked Sendable {
  /// One picture of a batch: which one, and in which epoch; nil as tests see it.
  struct Draw: Sendable {
    var sample: Int
    var epoch: Int?
  }

  private struct Slot {
    var number: Int?
    var draws: [Draw] = []
    /// Pictures that a thread has begun, and that are there.
    var claimed = 0
    var done = 0
    var error: DatasetError?
  }

  private let files: PictureFolder
  private let random: Philox
  /// The draws of the batch with this number; nil behind the last one.
  private let plan: (Int) -> [Draw]?
  private let condition = NSCondition()
  private var slots = [Slot](repeating: Slot(), count: PictureFeed.depth)
  /// The pixels of each slot's batch.
  private let pixels: [UnsafeMutablePointer<UInt8>]
  /// Numbers of batches that follow each other differ by this.
  private let step: Int
  /// The batch that is scheduled next; nil before the first one is asked for.
  private var next: Int?
  private var isClosed = false
  private var running: Int

  /// Batches that are decoded ahead.
  static let depth = 3

  /// `most` is the largest number of pictures in a batch.
  init(
    _ files: PictureFolder, most: Int, step: Int, seed: Int, threads: Int,
    plan: @escaping (Int) -> [Draw]?
  ) {
    self.files = files
    self.step = step
    self.plan = plan
    random = Philox(seed: seed, purpose: .augmentation)
    running = threads
    pixels = (0..<PictureFeed.depth).map { _ in .allocate(capacity: most * files.bytesPerPicture) }
    for _ in 0..<threads {
      let thread = Thread { [self] in fill() }
      thread.name = "pictures"
      thread.start()
    }
  }

  /// Ends the threads, and waits for them; the feed must not be used afterwards.
  func close() {
    condition.lock()
    isClosed = true
    condition.broadcast()
    while running > 0 { condition.wait() }
    condition.unlock()
    for place in pixels { place.deallocate() }
  }

  /// The pixels of a batch, once all are there. They stay until `release`.
  func take(_ number: Int, team: Team) throws(DatasetError) -> UnsafePointer<UInt8> {
    condition.lock()
    if !slots.contains(where: { $0.number == number }) { restart(at: number) }
    guard let place = slots.firstIndex(where: { $0.number == number }) else {
      preconditionFailure("the batch \(number) is behind the last one")
    }
    condition.unlock()
    team.run(team.width) { _, _ in
      while let claim = claim(in: place) { decode(claim.draw, claim.index, place) }
    }
    condition.lock()
    defer { condition.unlock() }
    while slots[place].done < slots[place].draws.count { condition.wait() }
    if let error = slots[place].error { throw error }
    return UnsafePointer(pixels[place])
  }

  /// The batch's place may hold another one.
  func release(_ number: Int) {
    condition.lock()
    if let place = slots.firstIndex(where: { $0.number == number }) { slots[place].number = nil }
    schedule()
    condition.broadcast()
    condition.unlock()
  }

  // MARK: - With the lock held

  /// Goes on from another batch: what was decoded ahead is dropped.
  private func restart(at number: Int) {
    // While this waits, the feed's threads schedule nothing.
    next = nil
    for place in slots.indices {
      // A thread may still write what it has claimed.
      slots[place].draws = Array(slots[place].draws.prefix(slots[place].claimed))
      while slots[place].done < slots[place].draws.count { condition.wait() }
      slots[place].number = nil
    }
    next = number
    schedule()
    condition.broadcast()
  }

  /// Gives free slots the next batches.
  private func schedule() {
    for place in slots.indices where slots[place].number == nil {
      guard let number = next, let draws = plan(number) else { return }
      (slots[place].number, slots[place].draws) = (number, draws)
      (slots[place].claimed, slots[place].done, slots[place].error) = (0, 0, nil)
      next = number + step
    }
  }

  // MARK: - Threads

  private func claim(in place: Int) -> (draw: Draw, index: Int)? {
    condition.lock()
    defer { condition.unlock() }
    let index = slots[place].claimed
    guard index < slots[place].draws.count else { return nil }
    slots[place].claimed += 1
    return (slots[place].draws[index], index)
  }

  private func decode(_ draw: Draw, _ index: Int, _ place: Int) {
    let out = pixels[place] + index * files.bytesPerPicture
    var failure: DatasetError?
    do throws(DatasetError) {
      if let epoch = draw.epoch {
        try files.write(out, draw.sample, epoch: epoch, random)
      } else {
        try files.write(out, draw.sample)
      }
    } catch {
      failure = error
    }
    condition.lock()
    slots[place].done += 1
    // One error ends the training. Which one it is, of several, does not matter.
    if let failure, slots[place].error == nil { slots[place].error = failure }
    if slots[place].done == slots[place].draws.count { condition.broadcast() }
    condition.unlock()
  }

  private func fill() {
    // Linux runs these threads in the gaps that the trainer's threads leave.
    _ = setpriority(0, 0, 19)
    condition.lock()
    while !isClosed {
      schedule()
      let open = slots.indices.filter {
        slots[$0].number != nil && slots[$0].claimed < slots[$0].draws.count
      }
      guard let place = open.min(by: { (slots[$0].number ?? 0) < (slots[$1].number ?? 0) }) else {
        condition.wait()
        continue
      }
      condition.unlock()
      if let claim = claim(in: place) { decode(claim.draw, claim.index, place) }
      condition.lock()
    }
    running -= 1
    condition.broadcast()
    condition.unlock()
  }
}
