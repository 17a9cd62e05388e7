import ArgumentParser
import NeuralNet
import Tensors
import Values

/// Convolutions of the networks in use: each way is checked against its definition, then timed.
struct KernelBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Checks convolution kernels against double precision, then times them on one core.")

  @Option(help: "Only cases whose name contains this.") var filter = ""
  @Option(help: "Rounds that are timed; the median counts.") var rounds = 9
  @Flag(help: "One JSON line a case instead of a table.") var json = false

  private struct Case {
    var name: String
    var side: Int
    var inputs: Int
    var outputs: Int
    var kernel: (Int, Int)
    var stride = 1
    var pad: (Int, Int)
    var images = 32

    init(
      _ name: String, _ side: Int, _ inputs: Int, _ outputs: Int, _ kernel: (Int, Int) = (3, 3),
      stride: Int = 1, pad: (Int, Int)? = nil, images: Int = 128
    ) {
      (self.name, self.side, self.inputs, self.outputs) = (name, side, inputs, outputs)
      (self.kernel, self.stride, self.images) = (kernel, stride, images)
      self.pad = pad ?? ((kernel.0 - 1) / 2, (kernel.1 - 1) / 2)
    }

    var window: Window {
      Window(
        height: side, width: side, channels: inputs, kernel: kernel, stride: (stride, stride),
        pad: pad)
    }
  }

  private static let cases = [
    Case("cnn conv1", 28, 1, 16), Case("cnn conv2", 14, 16, 32), Case("cnn conv3", 7, 32, 64),
    Case("wrn-10-1 group1", 28, 16, 16), Case("wrn-10-1 group2", 14, 32, 32),
    Case("wrn-10-1 group2 down", 28, 16, 32, stride: 2),
    Case("wrn-10-1 group3", 7, 64, 64),
    Case("wrn-16-4 conv0", 32, 3, 16), Case("wrn-16-4 group1", 32, 64, 64),
    Case("wrn-16-4 group2 down", 32, 64, 128, stride: 2),
    Case("wrn-16-4 group2 shortcut", 32, 64, 128, (1, 1), stride: 2),
    Case("wrn-16-4 group2", 16, 128, 128), Case("wrn-16-4 group3", 8, 256, 256),
    Case("resnet-50 stem", 224, 3, 64, (7, 7), stride: 2, images: 4),
    Case("resnet-50 stage1 1x1 down", 56, 256, 64, (1, 1), images: 8),
    Case("resnet-50 stage1 3x3", 56, 64, 64, images: 8),
    Case("resnet-50 stage1 1x1 up", 56, 64, 256, (1, 1), images: 8),
    Case("resnet-50 stage2 3x3 down", 56, 128, 128, stride: 2, images: 8),
    Case("resnet-50 stage3 1x1 down", 14, 1024, 256, (1, 1), images: 8),
    Case("resnet-50 stage3 3x3", 14, 256, 256, images: 8),
    Case("resnet-50 stage4 3x3", 7, 512, 512, images: 8),
    Case("resnet-50 stage4 1x1 up", 7, 512, 2048, (1, 1), images: 8),
    Case("inception stem2", 149, 32, 32, pad: (0, 0), images: 4),
    Case("inception mixed5b 5x5", 35, 48, 64, (5, 5), images: 8),
    Case("inception block35 3x3", 35, 32, 32, images: 8),
    Case("inception block17 1x7", 17, 128, 160, (1, 7), images: 8),
    Case("inception block17 7x1", 17, 160, 192, (7, 1), images: 8),
    Case("inception block17 1x1", 17, 1088, 192, (1, 1), images: 8),
    Case("inception block8 up", 8, 448, 2080, (1, 1), images: 8),
  ]

  func run() throws {
    let peak = Peak.flops()
    if !json {
      print("\(kernelDescription); \(Int(peak / 1e9)) GFLOP/s at most on one core")
      print("case, and error, GFLOP/s direct-equivalent, share of the peak of each way")
    }
    for chosen in KernelBench.cases where filter.isEmpty || chosen.name.contains(filter) {
      try report(chosen, peak)
    }
  }

  private func report(_ chosen: Case, _ peak: Double) throws {
    let trial = Trial(chosen.window, outputs: chosen.outputs, images: chosen.images)
    let errors = Trial(chosen.window, outputs: chosen.outputs, images: 1).errors()
    let window = chosen.window
    let products = Double(
      window.outHeight * window.outWidth * window.kernelHeight * window.kernelWidth
        * chosen.inputs * chosen.outputs * chosen.images)
    var line = chosen.name.padding(28)
    for (way, error) in zip(Trial.Way.allCases, errors) {
      guard error < 2e-5 else {
        throw ValidationError("\(chosen.name), \(way): the error is \(error)")
      }
      let seconds = trial.time(way, rounds: rounds)
      let rate = 2 * products / seconds
      if json {
        let row: JSON = [
          "case": .string(chosen.name), "way": .string(way.rawValue),
          "images": .integer(chosen.images), "error": .real(error), "gflops": .real(rate / 1e9),
          "peak_gflops": .real(peak / 1e9), "seconds": .real(seconds),
          "kernels": .string(kernelDescription),
        ]
        print(row.encoded())
      }
      line +=
        "  \(error.short) \(String(Int(rate / 1e9)).leftPadded(4)) \(Int(100 * rate / peak)) %"
        .padding(24)
    }
    if !json { print(line) }
  }
}

/// One convolution's operands, filled at random, and memory for its results.
private final class Trial {
  enum Way: String, CaseIterable { case forward, data, weights }

  private let window: Window
  private let outputs: Int
  private let images: Int
  private let convolution: Convolution
  private let team = Team(size: 1)
  private let x, weights, y, dy, dx, dw, shared: Floats
  private let work: Workspace

  init(_ window: Window, outputs: Int, images: Int) {
    (self.window, self.outputs, self.images) = (window, outputs, images)
    convolution = Convolution(window, outputChannels: outputs)
    let random = Philox(seed: 1, purpose: .selfCheck)
    func numbers(_ count: Int, _ stream: UInt32) -> Floats {
      let values = Floats(count: count)
      for i in 0..<count {
        values.base[i] = Float(random.uniform(UInt64(i & 0xFFFF), stream: stream) - 0.5)
      }
      return values
    }
    let outCount = images * window.outHeight * window.outWidth * outputs
    x = numbers(images * window.height * window.width * window.channels, 1)
    weights = numbers(convolution.weightCount, 2)
    dy = numbers(outCount, 3)
    y = Floats(count: outCount)
    dx = Floats(count: x.count)
    dw = Floats(count: weights.count)
    shared = Floats(count: convolution.shared)
    work = Workspace(Floats(count: convolution.workspace), perLane: convolution.workspace)
  }

  private func run(_ way: Way) {
    switch way {
    case .forward:
      convolution.forward(
        y.base, source: Source(x.base), weights: weights.base, images: images, team: team,
        work: work, shared: shared.base)
    case .data:
      convolution.backwardData(
        dx.base, adds: false, dy: dy.base, weights: weights.base, images: images, team: team,
        work: work, shared: shared.base)
    case .weights:
      convolution.backwardWeights(
        dw.base, source: Source(x.base), dy: .stored(dy.base), images: images, team: team,
        work: work,
        shared: shared.base)
    }
  }

  /// Relative errors of the three ways.
  func errors() -> [Double] {
    let exact = Reference.convolution(
      window, outputs: outputs, x: x.values.map(Double.init),
      weights: weights.values.map(Double.init), dy: dy.values.map(Double.init), images: images)
    for way in Way.allCases { run(way) }
    return zip([y, dx, dw], [exact.y, exact.dx, exact.dw]).map {
      Reference.error($0.values, $1)
    }
  }

  /// The median of so many rounds, in seconds.
  func time(_ way: Way, rounds: Int) -> Double {
    run(way)
    let times = (0..<rounds).map { _ in
      let start = ContinuousClock.now
      run(way)
      return (ContinuousClock.now - start) / .seconds(1)
    }
    return times.sorted()[times.count / 2]
  }
}

extension String {
  func padding(_ width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
  func leftPadded(_ width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}

extension Double {
  /// Two digits, as errors are read.
  fileprivate var short: String {
    guard self > 0 else { return "0" }
    var (mantissa, exponent) = (self, 0)
    while mantissa < 1 {
      mantissa *= 10
      exponent -= 1
    }
    return "\((mantissa * 10).rounded() / 10)e\(exponent)"
  }
}
