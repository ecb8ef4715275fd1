import Foundation
import MobileO

/// A component over a loaded model: one call at a time, and nothing after it was closed.
///
/// What goes in and out is checked by whoever calls, as the pipelines do, for every engine alike.
actor ComponentSession: Session {
  private let component: String
  private let units: CoreMLUnits
  private var model: (any CoreMLModel)?
  private let turns = Turns()

  init(component: String, units: CoreMLUnits, model: any CoreMLModel) {
    (self.component, self.units, self.model) = (component, units, model)
  }

  func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    try await turns.begin()
    do {
      let outputs = try await predict(inputs)
      await turns.end()
      return outputs
    } catch {
      await turns.end()
      throw error
    }
  }

  /// Lets go of the model: its memory comes back when the call in flight has ended.
  func close() async { model = nil }

  private func predict(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    guard let model else {
      throw MobileOError(.session, "\(component) was closed before; ask the engine for it again")
    }
    do {
      return try await model.predict(inputs)
    } catch let error as MobileOError {
      throw error
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw MobileOError(
        .session,
        "\(component): Core ML gave no result on \(units.rawValue) (\(reason(error))); close other "
          + "apps, or choose other compute units in the settings")
    }
  }
}

/// What an error of the system says of itself.
func reason(_ error: any Error) -> String {
  oneLine((error as? MobileOError)?.message ?? error.localizedDescription, longest: 300)
}
