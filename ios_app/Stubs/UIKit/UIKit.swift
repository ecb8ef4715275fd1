// Stand-in for UIKit on Linux: signatures only, of what is used.
@_exported import FoundationMembers

/// developer.apple.com/documentation/uikit/uiview
@MainActor @preconcurrency open class UIView: NSObject {
  public init(frame: CGRect) { standIn() }
  public required init?(coder: NSCoder) { standIn() }
  open class var layerClass: AnyClass { standIn() }
  open var layer: CALayer { standIn() }
}

/// developer.apple.com/documentation/quartzcore/calayer
open class CALayer: NSObject {
  public override init() { standIn() }
}

/// developer.apple.com/documentation/uikit/uiviewcontroller
@MainActor @preconcurrency open class UIViewController: NSObject {
  public init(nibName nibNameOrNil: String?, bundle nibBundleOrNil: Bundle?) { standIn() }
  public required init?(coder: NSCoder) { standIn() }
  open func viewDidLoad() { standIn() }
  open var extensionContext: NSExtensionContext? { standIn() }
  open func present(
    _ viewControllerToPresent: UIViewController, animated flag: Bool,
    completion: (@MainActor () -> Void)? = nil
  ) { standIn() }
}

/// developer.apple.com/documentation/uikit/uialertcontroller
@MainActor open class UIAlertController: UIViewController {
  /// developer.apple.com/documentation/uikit/uialertcontroller/style
  public enum Style: Int, Sendable { case actionSheet, alert }
  public convenience init(title: String?, message: String?, preferredStyle: Style) { standIn() }
  open func addAction(_ action: UIAlertAction) { standIn() }
}

/// developer.apple.com/documentation/uikit/uialertaction
@MainActor open class UIAlertAction: NSObject {
  /// developer.apple.com/documentation/uikit/uialertaction/style
  public enum Style: Int, Sendable { case `default`, cancel, destructive }
  public convenience init(
    title: String?, style: Style, handler: (@MainActor (UIAlertAction) -> Void)? = nil
  ) { standIn() }
}

/// developer.apple.com/documentation/foundation/nsextensioncontext
open class NSExtensionContext: NSObject {
  open var inputItems: [Any] { standIn() }
  open func completeRequest(
    returningItems items: [Any]?, completionHandler: (@Sendable (Bool) -> Void)? = nil
  ) { standIn() }
  open func cancelRequest(withError error: any Error) { standIn() }
}

/// developer.apple.com/documentation/foundation/nsextensionitem
open class NSExtensionItem: NSObject {
  open var attachments: [NSItemProvider]? { standIn() }
}

/// developer.apple.com/documentation/foundation/nsitemprovider
open class NSItemProvider: NSObject, @unchecked Sendable {
  open func hasItemConformingToTypeIdentifier(_ typeIdentifier: String) -> Bool { standIn() }
  @discardableResult open func loadDataRepresentation(
    forTypeIdentifier typeIdentifier: String,
    completionHandler: @escaping @Sendable (Data?, (any Error)?) -> Void
  ) -> Progress { standIn() }
}
