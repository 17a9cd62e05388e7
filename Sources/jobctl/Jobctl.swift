import ArgumentParser
import Crypto
import Logging
import ServiceLifecycle
import Subprocess

@main struct Jobctl: AsyncParsableCommand {
  func run() async throws { print("x") }
}
