import JobQueue
import Training

/// Training's values as the queue's rows.
extension ProgressRow {
  init(_ progress: StageProgress) {
    self.init()
    updates = progress.updates
    samples = progress.samples
    seconds = progress.seconds
    coreSeconds = progress.coreSeconds
    samplesPerSecond = Float(progress.samplesPerSecond)
    threads = progress.threads
  }
}

extension MeasurementRow {
  init(_ measurement: Training.Measurement) {
    self.init()
    samples = measurement.samples
    epoch = measurement.epoch
    updates = measurement.updates
    batch = measurement.batch
    learningRate = measurement.learningRate
    noiseScale = measurement.noiseScale
    trainLoss = measurement.train.loss
    trainAccuracy = measurement.train.accuracy
    testLoss = measurement.test.loss
    testAccuracy = measurement.test.accuracy
    validationLoss = measurement.validation?.loss
    validationAccuracy = measurement.validation?.accuracy
    testSamples = measurement.testSamples
    testCommonest = measurement.testCommonest
    isAboveGuessing = measurement.isAboveGuessing
    seconds = measurement.seconds
    coreSeconds = measurement.coreSeconds
    peakMemoryBytes = measurement.peakMemory
    gradientSquare = measurement.gradientNoise?.square
    gradientVariance = measurement.gradientNoise?.variance
    gradientEstimates = measurement.gradientNoise?.estimates
    gradientProbes = measurement.gradientNoise?.probes
    probeSeconds = measurement.gradientNoise?.probeSeconds
  }
}
