import Foundation
import MobileO

/// A component over a loaded model: one call at a time, and nothing after it was closed.
///
/// What goes in and out is checked by whoever calls, as the pipelines do, for every engine alike.
actor ComponentSession: Session {
  private let component: String
  private let framework: String
  private let units: String
  /// Holds the model.
  private var model: (@Sendable ([String: Tensor]) async throws -> [String: Tensor])?
  private let turns = Turns()

  /// What Core ML has loaded.
  init(component: String, units: CoreMLUnits, model: any CoreMLModel) {
    self.init(component, on: "Core ML", units: units.rawValue) { try await model.predict($0) }
  }

  /// What a framework has loaded, which may run on `units`; `model` lets go of it as it is released.
  init(
    _ component: String, on framework: String, units: String,
    model: @escaping @Sendable ([String: Tensor]) async throws -> [String: Tensor]
  ) {
    (self.component, self.framework, self.units) = (component, framework, units)
    self.model = model
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
      return try await model(inputs)
    } catch let error as MobileOError {
      throw error
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw Self.failure(component, on: framework, units: units, error)
    }
  }

  /// What is said where a framework fails as it computes.
  static func failure(
    _ component: String, on framework: String, units: String, _ error: any Error
  ) -> MobileOError {
    MobileOError(
      .session,
      "\(component): \(framework) gave no result on \(units) (\(reason(error))); close other apps, or "
        + "choose other compute units in the settings")
  }
}

/// What an error of the system says of itself.
func reason(_ error: any Error) -> String {
  oneLine((error as? MobileOError)?.message ?? error.localizedDescription, longest: 300)
}
