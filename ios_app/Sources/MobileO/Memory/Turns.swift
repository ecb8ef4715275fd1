/// One after the other, in the order of asking; whoever is cancelled meanwhile leaves the queue.
package actor Turns {
  private var taken = false
  private var tickets = 0
  private var waiting: [(ticket: Int, continuation: CheckedContinuation<Void, any Error>)] = []

  package init() {}

  /// - Throws: `CancellationError`: the task was cancelled, and it is not its turn.
  package func begin() async throws {
    try Task.checkCancellation()
    if !taken {
      taken = true
      return
    }
    tickets += 1
    let ticket = tickets
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<Void, any Error>) in
        if Task.isCancelled {
          continuation.resume(throwing: CancellationError())
        } else {
          waiting.append((ticket, continuation))
        }
      }
    } onCancel: {
      Task { await self.leave(ticket) }
    }
  }

  /// The next one's turn.
  package func end() {
    if waiting.isEmpty { taken = false } else { waiting.removeFirst().continuation.resume() }
  }

  private func leave(_ ticket: Int) {
    guard let place = waiting.firstIndex(where: { $0.ticket == ticket }) else { return }
    waiting.remove(at: place).continuation.resume(throwing: CancellationError())
  }
}
