import Foundation

/// The name by which the queue knows this machine.
package let hostName = ProcessInfo.processInfo.hostName
