import CKernels
import Tensors
import TestSupport
import Testing

/// Convolutions against their definition in double precision, at sizes that fit no block.
@Suite struct ConvolutionTests {
  struct Shape: CustomTestStringConvertible {
    var height, width: Int
    var kernel: (Int, Int)
    var stride = (1, 1)
    var pad: (Int, Int)
    var inputs, outputs: Int
    var images = 3

    var window: Window {
      Window(
        height: height, width: width, channels: inputs, kernel: kernel, stride: stride, pad: pad)
    }
    var testDescription: String {
      "\(images) x \(height)x\(width), \(kernel) by \(stride) pad \(pad), \(inputs) to \(outputs)"
    }
  }

  static let shapes = [
    // By transformed tiles: sizes that leave parts of tiles, channels that leave parts of vectors.
    Shape(height: 1, width: 1, kernel: (3, 3), pad: (1, 1), inputs: 8, outputs: 9),
    Shape(height: 5, width: 7, kernel: (3, 3), pad: (1, 1), inputs: 17, outputs: 33),
    Shape(height: 2, width: 3, kernel: (3, 3), pad: (1, 1), inputs: 9, outputs: 10, images: 5),
    Shape(height: 3, width: 2, kernel: (3, 3), pad: (2, 2), inputs: 12, outputs: 20, images: 4),
    Shape(height: 14, width: 14, kernel: (3, 3), pad: (1, 1), inputs: 16, outputs: 24, images: 7),
    Shape(height: 10, width: 8, kernel: (3, 3), pad: (1, 1), inputs: 8, outputs: 8, images: 5),
    Shape(height: 8, width: 11, kernel: (3, 3), pad: (0, 0), inputs: 8, outputs: 16, images: 4),
    Shape(height: 7, width: 5, kernel: (3, 3), pad: (1, 1), inputs: 48, outputs: 8, images: 9),
    Shape(height: 33, width: 33, kernel: (3, 3), pad: (1, 1), inputs: 16, outputs: 16),
    Shape(height: 8, width: 8, kernel: (3, 3), pad: (1, 1), inputs: 130, outputs: 70, images: 11),
    // The same of stride 2, by phases.
    Shape(
      height: 1, width: 2, kernel: (3, 3), stride: (2, 2), pad: (1, 1), inputs: 32, outputs: 32),
    Shape(
      height: 33, width: 17, kernel: (3, 3), stride: (2, 2), pad: (1, 1), inputs: 35, outputs: 70),
    Shape(
      height: 16, width: 18, kernel: (3, 3), stride: (2, 2), pad: (1, 1), inputs: 64, outputs: 33,
      images: 5),
    Shape(
      height: 17, width: 20, kernel: (3, 3), stride: (2, 2), pad: (0, 0), inputs: 40, outputs: 96),
    Shape(
      height: 8, width: 7, kernel: (3, 3), stride: (2, 2), pad: (0, 0), inputs: 70, outputs: 130),
    // By windows.
    Shape(height: 33, width: 7, kernel: (3, 3), pad: (1, 1), inputs: 1, outputs: 16),
    Shape(height: 9, width: 9, kernel: (7, 7), stride: (2, 2), pad: (3, 3), inputs: 3, outputs: 20),
    Shape(height: 5, width: 5, kernel: (3, 3), stride: (2, 2), pad: (1, 1), inputs: 17, outputs: 4),
    Shape(
      height: 7, width: 9, kernel: (3, 3), stride: (2, 2), pad: (0, 0), inputs: 20, outputs: 50),
    Shape(
      height: 7, width: 7, kernel: (1, 1), stride: (2, 2), pad: (0, 0), inputs: 16, outputs: 31),
    Shape(height: 7, width: 33, kernel: (1, 1), pad: (0, 0), inputs: 33, outputs: 7),
    Shape(height: 5, width: 5, kernel: (1, 1), pad: (0, 0), inputs: 320, outputs: 410, images: 9),
    Shape(height: 9, width: 5, kernel: (1, 7), pad: (0, 3), inputs: 12, outputs: 40),
    Shape(height: 9, width: 5, kernel: (7, 1), pad: (3, 0), inputs: 40, outputs: 12),
    Shape(height: 7, width: 7, kernel: (3, 1), pad: (1, 0), inputs: 9, outputs: 5),
    Shape(height: 7, width: 7, kernel: (1, 3), pad: (0, 1), inputs: 5, outputs: 9),
    Shape(height: 7, width: 7, kernel: (5, 5), pad: (2, 2), inputs: 2, outputs: 48),
    Shape(height: 6, width: 6, kernel: (3, 3), pad: (0, 0), inputs: 10, outputs: 10),
  ]

  @Test(arguments: shapes) func convolutionIsItsDefinition(shape: Shape) {
    for view in [false, true] {
      let trial = Trial(shape, view: view)
      let exact = trial.exact
      for instructionSet in 0...2 {
        ck_limit_instruction_set(Int32(instructionSet))
        defer { ck_limit_instruction_set(2) }
        // Of this thread alone.
        let (y, dx, dw) = trial.run(threads: 1)
        for (name, fast, exact) in [("y", y, exact.y), ("dx", dx, exact.dx), ("dw", dw, exact.dw)] {
          #expect(
            Reference.error(fast.values, exact) < 4e-6,
            "\(name), instruction set \(instructionSet), view \(view)")
        }
      }
    }
  }

  @Test(arguments: [shapes[1], shapes[4], shapes[6], shapes[8], shapes[11], shapes[16]])
  func
    aTeamOfAnySizeGivesTheSameBits(shape: Shape)
  {
    let trial = Trial(shape, view: true)
    let alone = trial.run(threads: 1)
    for threads in [2, 3, 4, 7] {
      let together = trial.run(threads: threads)
      #expect(together.y.values == alone.y.values)
      #expect(together.dx.values == alone.dx.values)
      #expect(together.dw.values == alone.dw.values)
    }
  }

  @Test(arguments: [shapes[1], shapes[7], shapes[8], shapes[12], shapes[13], shapes[15]])
  func
    gradientsOfInputsAreAddedWhereAsked(shape: Shape)
  {
    let trial = Trial(shape, view: false)
    let before = (0..<trial.x.count).map { Float($0 % 7) }
    let start = Floats(count: before.count)
    start.values = before
    let added = trial.run(threads: 1, dx: start).dx
    let plain = trial.run(threads: 1).dx
    let error = zip(added.values, zip(before, plain.values)).map { abs($0 - ($1.0 + $1.1)) }.max()
    #expect((error ?? 1) < 1e-4)
  }
}

/// One convolution's operands, its results and its definition.
private struct Trial {
  let shape: ConvolutionTests.Shape
  let view: Bool
  let x, weights, dy: Floats
  let (mean, scale, shift): (Floats, Floats, Floats)

  init(_ shape: ConvolutionTests.Shape, view: Bool) {
    self.shape = shape
    self.view = view
    let random = Philox(seed: 11, purpose: .selfCheck)
    func numbers(_ count: Int, _ stream: UInt32) -> Floats {
      let values = Floats(count: count)
      values.values = (0..<count).map { Float(2 * random.uniform(UInt64($0), stream: stream) - 1) }
      return values
    }
    let window = shape.window
    x = numbers(shape.images * shape.height * shape.width * shape.inputs, 1)
    weights = numbers(shape.kernel.0 * shape.kernel.1 * shape.inputs * shape.outputs, 2)
    dy = numbers(shape.images * window.outHeight * window.outWidth * shape.outputs, 3)
    mean = numbers(shape.inputs, 4)
    scale = numbers(shape.inputs, 5)
    shift = numbers(shape.inputs, 6)
  }

  var source: Source {
    view
      ? Source(x.base, mean: mean.base, scale: scale.base, shift: shift.base, relu: true)
      : Source(x.base)
  }

  func run(threads: Int, dx: Floats? = nil) -> (y: Floats, dx: Floats, dw: Floats) {
    let team = Team(size: threads)
    defer { team.close() }
    return withExtendedLifetime(self) {
      Convolution(shape.window, outputChannels: shape.outputs).run(
        x: x, source: source, weights: weights, dy: dy, images: shape.images, team: team,
        addingTo: dx)
    }
  }

  var exact: (y: [Double], dx: [Double], dw: [Double]) {
    let window = shape.window
    let seen = zip(x.values, 0...).map { value, index in
      guard view else { return Double(value) }
      let c = index % shape.inputs
      return max(0, Double((value - mean.base[c]) * scale.base[c] + shift.base[c]))
    }
    return Reference.convolution(
      window, outputs: shape.outputs, x: seen, weights: weights.values.map(Double.init),
      dy: dy.values.map(Double.init), images: shape.images)
  }
}

extension Convolution {
  /// Forward and both ways backward, with memory of their own.
  func run(
    x: Floats, source: Source? = nil, weights: Floats, bias: Floats? = nil, dy: Floats,
    images: Int, team: Team, addingTo start: Floats? = nil
  ) -> (y: Floats, dx: Floats, dw: Floats) {
    let (y, dx, dw) = (
      Floats(count: dy.count), Floats(count: x.count), Floats(count: weights.count)
    )
    if let start { dx.copy(from: start) }
    let source = source ?? Source(x.base)
    let (scratch, common) = (Floats(count: workspace * team.size), Floats(count: shared))
    let work = Workspace(scratch, perLane: workspace)
    forward(
      y.base, source: source, weights: weights.base, bias: bias?.base, images: images, team: team,
      work: work, shared: common.base)
    backwardWeights(
      dw.base, source: source, dy: .stored(dy.base), images: images, team: team, work: work,
      shared: common.base)
    backwardData(
      dx.base, adds: start != nil, dy: dy.base, weights: weights.base, images: images, team: team,
      work: work, shared: common.base)
    return withExtendedLifetime((x, weights, bias, dy, common)) { (y, dx, dw) }
  }
}
