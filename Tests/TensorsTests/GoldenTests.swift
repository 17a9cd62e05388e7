import Tensors
import TestSupport
import Testing
import Values

/// Every operation against values that an independent framework computed in double precision.
@Suite struct GoldenTests {
  @Test func theGeneratorIsTheReferences() {
    #expect(Golden.uniform("", 0) == 0.9576733708381653)
    #expect(Golden.uniform("a", 1) == 0.3717309236526489)
    #expect(Golden.uniform("x", 1) == 0.201208233833313)
  }

  @Test(arguments: [1, 3]) func convolutions(threads: Int) throws {
    let golden = try Golden("conv2d")
    #expect(golden.cases.count > 30)
    let team = Team(size: threads)
    defer { team.close() }
    for node in golden.cases {
      let (attributes, inputs, outputs) = try parts(node)
      func pair(_ key: String) -> (Int, Int) {
        let items = attributes[key]?.items?.compactMap(\.intValue) ?? [1, 1]
        return (items[0], items[1])
      }
      let (images, k) = (integer(attributes, "n"), integer(attributes, "k"))
      let window = Window(
        height: integer(attributes, "h"), width: integer(attributes, "w"),
        channels: integer(attributes, "c"), kernel: pair("kernel"), stride: pair("stride"),
        pad: pair("pad"))
      let convolution = Convolution(window, outputChannels: k)
      let x = floats(golden.input(inputs["x"] ?? .null))
      let w = floats(golden.input(inputs["w"] ?? .null))
      let dy = floats(golden.input(inputs["dy"] ?? .null))
      let bias = inputs["b"].map { floats(golden.input($0)) }
      let (y, dx, dw) = convolution.run(
        x: x, weights: w, bias: bias, dy: dy, images: images, team: team)
      var results = [("y", y), ("dx", dx), ("dw", dw)]
      if outputs["db"] != nil {
        let (db, shared) = (Floats(count: k), Floats(count: convolution.shared))
        convolution.backwardBias(
          db.base, dy: dy.base, images: images, team: team, shared: shared.base)
        withExtendedLifetime(shared) {}
        results.append(("db", db))
      }
      check(golden, node, outputs, results)
    }
  }

  @Test func batchNorms() throws {
    let golden = try Golden("batchnorm")
    let team = Team(size: 2)
    defer { team.close() }
    for node in golden.cases {
      let (attributes, inputs, outputs) = try parts(node)
      let (images, channels) = (integer(attributes, "n"), integer(attributes, "c"))
      let pixels = (attributes["h"]?.intValue ?? 1) * (attributes["w"]?.intValue ?? 1)
      guard attributes["eps"]?.doubleValue == BatchNormalization.epsilon else { continue }
      let ghost = integer(attributes, "ghost")
      let norm = BatchNormalization(
        channels: channels, relu: attributes["relu"]?.boolValue ?? false)
      let x = floats(golden.input(inputs["x"] ?? .null))
      let dy = floats(golden.input(inputs["dy"] ?? .null))
      let gamma = floats(golden.input(inputs["gamma"] ?? .null))
      let beta = floats(golden.input(inputs["beta"] ?? .null))
      let (y, dx) = (Floats(count: x.count), Floats(count: x.count))
      var dgamma = [Float](repeating: 0, count: channels)
      var dbeta = dgamma
      var (means, variances) = ([Float](), [Float]())
      for start in stride(from: 0, to: images, by: ghost) {
        let at = start * pixels * channels
        let moments = Moments(channels: channels)
        moments.gather(x.base + at, images: ghost, pixels: pixels)
        norm.use(moments, gamma: gamma.base, beta: beta.base)
        let found = try #require(norm.statistics)
        let seen = norm.source(x.base + at)
        let rows = ghost * pixels
        (y.base + at).update(
          from: seen.values(0..<rows, channels: channels), count: rows * channels)
        let (dg, db) = (Floats(count: channels), Floats(count: channels))
        let g = dx.base + at
        g.update(from: dy.base + at, count: rows * channels)
        norm.beginBackward()
        GradientFinish(seen, channels: channels, norm: norm)
          .all(g, images: ghost, pixels: pixels, team: team)
        norm.backward(
          dgamma: dg.base, dbeta: db.base, gamma: gamma.base, g: g, x: x.base + at,
          extent: (pixels, 1)
        ).write(g, adds: false, images: ghost, team: team)
        for c in 0..<channels {
          dgamma[c] += dg.base[c]
          dbeta[c] += db.base[c]
        }
        withExtendedLifetime((x, dy, gamma, beta, dg, db)) {}
        means += found.mean.map(Float.init)
        variances += found.variance.map(Float.init)
      }
      check(
        golden, node, outputs,
        [
          ("y", y), ("dx", dx), ("dgamma", floats(dgamma)), ("dbeta", floats(dbeta)),
          ("batch_mean", floats(means)), ("batch_var", floats(variances)),
        ])
    }
  }

  @Test func layers() throws {
    let golden = try Golden("layers")
    let team = Team(size: 2)
    defer { team.close() }
    // Values that are seen as they are stored need no workspace.
    let work = Workspace(Floats(count: 0), perLane: 0)
    for node in golden.cases {
      let (attributes, inputs, outputs) = try parts(node)
      let images = integer(attributes, "n")
      func values(_ key: String) -> Floats { floats(golden.input(inputs[key] ?? .null)) }
      switch node["op"]?.stringValue {
      case "max_pool":
        let side = integer(attributes, "kernel")
        let (stride, pad) = (integer(attributes, "stride"), integer(attributes, "pad"))
        let pooling = MaxPooling(
          Window(
            height: integer(attributes, "h"), width: integer(attributes, "w"),
            channels: integer(attributes, "c"), kernel: (side, side), stride: (stride, stride),
            pad: (pad, pad)))
        let (x, dy) = (values("x"), values("dy"))
        let (y, dx) = (Floats(count: dy.count), Floats(count: x.count))
        var places = [UInt8](repeating: 0, count: dy.count)
        places.withUnsafeMutableBufferPointer { places in
          pooling.forward(
            y.base, arg: places.baseAddress!, source: Source(x.base), images: images, team: team)
          pooling.backward(
            dx.base, adds: false, dy: dy.base, arg: places.baseAddress!, images: images,
            team: team)
        }
        withExtendedLifetime((x, dy)) {}
        check(golden, node, outputs, [("y", y), ("dx", dx)])
      case "avg_pool":
        let (side, stride) = (integer(attributes, "kernel"), integer(attributes, "stride"))
        let pad = integer(attributes, "pad")
        let pooling = AveragePooling(
          Window(
            height: integer(attributes, "h"), width: integer(attributes, "w"),
            channels: integer(attributes, "c"), kernel: (side, side), stride: (stride, stride),
            pad: (pad, pad)))
        let (x, dy) = (values("x"), values("dy"))
        let (y, dx) = (Floats(count: dy.count), Floats(count: x.count))
        pooling.forward(y.base, source: Source(x.base), images: images, team: team)
        pooling.backward(dx.base, adds: false, dy: dy.base, images: images, team: team)
        withExtendedLifetime((x, dy)) {}
        check(golden, node, outputs, [("y", y), ("dx", dx)])
      case "global_avg_pool":
        let mean = GlobalMean(
          pixels: integer(attributes, "h") * integer(attributes, "w"),
          channels: integer(attributes, "c"))
        let (x, dy) = (values("x"), values("dy"))
        let (y, dx) = (Floats(count: dy.count), Floats(count: x.count))
        mean.forward(y.base, source: Source(x.base), images: images, team: team, work: work)
        mean.backward(dx.base, adds: false, dy: dy.base, images: images, team: team)
        withExtendedLifetime((x, dy)) {}
        check(golden, node, outputs, [("y", y), ("dx", dx)])
      case "linear" where attributes["bias"]?.boolValue == true:
        let dense = Dense(
          pixels: 1, channels: integer(attributes, "in"), outputs: integer(attributes, "out"))
        let (x, w, b, dy) = (values("x"), values("w"), values("b"), values("dy"))
        let (y, dx) = (Floats(count: dy.count), Floats(count: x.count))
        let dw = Floats(count: dense.parameterCount)
        let partial = Floats(count: Cut.most * dense.parameterCount)
        let source = Source(x.base)
        dense.forward(
          y.base, source: source, weights: w.base, bias: b.base, images: images, team: team,
          work: work)
        dense.backward(
          dx: dx.base, adds: false, dw: dw.base, dy: dy.base, source: source, weights: w.base,
          partial: partial.base, images: images, team: team, work: work)
        withExtendedLifetime((x, w, b, dy, partial)) {}
        check(
          golden, node, outputs,
          [
            ("y", y), ("dx", dx), ("dw", floats(Array(dw.values[..<w.count]))),
            ("db", floats(Array(dw.values[w.count...]))),
          ])
      case "softmax_cross_entropy":
        let logits = values("logits")
        let labels = golden.input(inputs["labels"] ?? .null).map { Int32($0) }
        let dlogits = Floats(count: logits.count)
        let result = CrossEntropy.evaluate(
          logits: logits.base, labels: labels, classes: integer(attributes, "classes"),
          smoothing: attributes["label_smoothing"]?.doubleValue ?? 0, dlogits: dlogits.base,
          scale: 1 / Double(images))
        check(
          golden, node, outputs,
          [("dlogits", dlogits), ("loss_each", floats(result.loss.map(Float.init)))])
      default: break
      }
    }
  }

  @Test func updateRules() throws {
    let golden = try Golden("optimizers")
    let team = Team(size: 1)
    for node in golden.cases {
      let (attributes, inputs, outputs) = try parts(node)
      func scheduled(_ key: String, _ step: Int) -> Double {
        (attributes[key]?.items ?? []).last { ($0.items?[0].intValue ?? 0) <= step }?
          .items?[1].doubleValue ?? 0
      }
      for name in ["w", "b"] {
        let w = floats(golden.input(inputs["init.\(name)"] ?? .null))
        let slots = [Floats(count: w.count), Floats(count: w.count)]
        var path: [Float] = []
        for step in 0..<integer(attributes, "steps") {
          let g = floats(golden.input(inputs["grad.\(name)"] ?? .null, step: step))
          let m = Float(scheduled("momentum", step))
          let rule: UpdateRule =
            switch attributes["kind"]?.stringValue {
            case "momentum": .momentum(m)
            case "nesterov": .nesterov(m)
            case "lars":
              .lars(momentum: m, trust: attributes["trust"]?.doubleValue ?? 0)
            case "adam":
              .adam(
                beta1: scheduled("beta1", step), beta2: attributes["beta2"]?.doubleValue ?? 0,
                epsilon: attributes["eps"]?.doubleValue ?? 0)
            default: .sgd
            }
          rule.apply(
            w: w.base, g: g.base, slots: slots.map(\.base), count: w.count,
            rate: Float(scheduled("lr", step)),
            decay: Float(attributes["weight_decay"]?.doubleValue ?? 0), step: step + 1, team: team)
          withExtendedLifetime((g, slots)) {}
          path += w.values
        }
        check(golden, node, outputs, [(name, floats(path))])
      }
    }
  }

  private func integer(_ node: JSON, _ key: String) -> Int { node[key]?.intValue ?? 0 }

  private func parts(_ node: JSON) throws -> (JSON, JSON, JSON) {
    (try #require(node["attrs"]), try #require(node["inputs"]), try #require(node["outputs"]))
  }

  private func check(_ golden: Golden, _ node: JSON, _ outputs: JSON, _ results: [(String, Floats)])
  {
    let name = node["name"]?.stringValue ?? ""
    for (output, values) in results {
      guard let reference = outputs[output] else {
        Issue.record("\(name) has no reference for \(output)")
        continue
      }
      let error = golden.error(values.values, case: name, output: output, reference)
      #expect(error <= 1, "\(name) \(output): error is \(error) times its tolerance")
    }
  }
}
