import Foundation
import MobileOApp
import UIKit
import UniformTypeIdentifiers

/// Puts a picture that another app shares into the inbox of the app, and says so.
///
/// An extension may not open its app: the user does, and finds the picture attached.
final class ShareViewController: UIViewController {
  override func viewDidLoad() {
    super.viewDidLoad()
    guard let provider = Self.picture(of: extensionContext) else {
      show(String(localized: "There is no picture in what was shared."))
      return
    }
    provider.loadDataRepresentation(forTypeIdentifier: UTType.image.identifier) { data, error in
      let problem = Self.keep(data, error)
      Task { @MainActor [weak self] in
        self?.show(problem ?? String(localized: "The picture waits in the app: open it to ask."))
      }
    }
  }

  private static func picture(of context: NSExtensionContext?) -> NSItemProvider? {
    context?.inputItems.lazy.compactMap { ($0 as? NSExtensionItem)?.attachments }.joined()
      .first { $0.hasItemConformingToTypeIdentifier(UTType.image.identifier) }
  }

  /// What could not be done, in one sentence.
  private nonisolated static func keep(_ data: Data?, _ error: (any Error)?) -> String? {
    guard let data else {
      return error?.localizedDescription
        ?? String(localized: "The other app gave no picture: save it first, then attach it.")
    }
    let inbox = Inbox.ofGroup {
      FileManager.default.containerURL(forSecurityApplicationGroupIdentifier: $0)
    }
    guard let inbox else {
      return String(localized: "The app and this extension have no folder in common.")
    }
    do {
      try inbox.put(Array(data))
      return nil
    } catch {
      return error.localizedDescription
    }
  }

  private func show(_ sentence: String) {
    let alert = UIAlertController(title: nil, message: sentence, preferredStyle: .alert)
    alert.addAction(
      UIAlertAction(title: String(localized: "OK"), style: .default) { [weak self] _ in
        self?.extensionContext?.completeRequest(returningItems: nil)
      })
    present(alert, animated: true)
  }
}
