import Datasets
import Foundation
import Tensors

/// Everything that decides the bits of a result besides the program and the plan: the instructions of the
/// kernels, and the libraries that multiply, that take cosines, and that decode pictures.
package let numericsFingerprint = "\(kernelDescription), \(libm), \(PictureFile.decoders)"

/// Such as "glibc 2.36".
private var libm: String {
  let most = 64
  let words = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
    let bytes = UnsafeMutableRawBufferPointer(buffer).bindMemory(to: CChar.self).baseAddress
    // The count includes the zero behind the text.
    count = max(0, min(most, confstr(Int32(_CS_GNU_LIBC_VERSION), bytes, most)) - 1)
  }
  return words.isEmpty ? "no glibc" : String(decoding: words, as: UTF8.self)
}
