/// The release of this package: that of the Python package beside it.
package enum Release {
  package static let version = "0.1.0"
}
