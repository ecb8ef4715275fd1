// Stand-in for UIKit on Linux: signatures only, of what is used.
@_exported import FoundationMembers

/// developer.apple.com/documentation/uikit/uiview
@MainActor @preconcurrency open class UIView: NSObject {
  /// developer.apple.com/documentation/uikit/uiview/init(frame:)
  public init(frame: CGRect) { standIn() }
  /// developer.apple.com/documentation/uikit/uiview/init(coder:)
  public required init?(coder: NSCoder) { standIn() }
  /// developer.apple.com/documentation/uikit/uiview/layerclass
  open class var layerClass: AnyClass { standIn() }
  /// developer.apple.com/documentation/uikit/uiview/layer
  open var layer: CALayer { standIn() }
}

/// developer.apple.com/documentation/quartzcore/calayer
open class CALayer: NSObject {
  /// developer.apple.com/documentation/uikit/calayer/init()
  public override init() { standIn() }
}

/// developer.apple.com/documentation/uikit/uipasteboard
open class UIPasteboard: NSObject {
  /// developer.apple.com/documentation/uikit/uipasteboard/general
  open class var general: UIPasteboard { standIn() }
  /// developer.apple.com/documentation/uikit/uipasteboard/string
  open var string: String? {
    get { standIn() }
    set { standIn() }
  }
}

/// developer.apple.com/documentation/uikit/uidevice
@MainActor open class UIDevice: NSObject {
  /// developer.apple.com/documentation/uikit/uidevice/current
  open class var current: UIDevice { standIn() }
  /// developer.apple.com/documentation/uikit/uidevice/isbatterymonitoringenabled
  open var isBatteryMonitoringEnabled: Bool {
    get { standIn() }
    set { standIn() }
  }
  /// developer.apple.com/documentation/uikit/uidevice/batterylevel
  open var batteryLevel: Float { standIn() }
}

/// developer.apple.com/documentation/uikit/uiviewcontroller
@MainActor @preconcurrency open class UIViewController: NSObject {
  /// developer.apple.com/documentation/uikit/uiviewcontroller/init(nibname:bundle:)
  public init(nibName nibNameOrNil: String?, bundle nibBundleOrNil: Bundle?) { standIn() }
  /// developer.apple.com/documentation/uikit/uiviewcontroller/init(coder:)
  public required init?(coder: NSCoder) { standIn() }
  /// developer.apple.com/documentation/uikit/uiviewcontroller/viewdidload()
  open func viewDidLoad() { standIn() }
  /// developer.apple.com/documentation/uikit/uiviewcontroller/extensioncontext
  open var extensionContext: NSExtensionContext? { standIn() }
  /// developer.apple.com/documentation/uikit/uiviewcontroller/present(_:animated:completion:)
  open func present(
    _ viewControllerToPresent: UIViewController, animated flag: Bool,
    completion: (@MainActor () -> Void)? = nil
  ) { standIn() }
}

/// developer.apple.com/documentation/uikit/uialertcontroller
@MainActor open class UIAlertController: UIViewController {
  /// developer.apple.com/documentation/uikit/uialertcontroller/style
  public enum Style: Int, Sendable { case actionSheet, alert }
  /// developer.apple.com/documentation/uikit/uialertcontroller/init(title:message:preferredstyle:)
  public convenience init(title: String?, message: String?, preferredStyle: Style) { standIn() }
  /// developer.apple.com/documentation/uikit/uialertcontroller/addaction(_:)
  open func addAction(_ action: UIAlertAction) { standIn() }
}

/// developer.apple.com/documentation/uikit/uialertaction
@MainActor open class UIAlertAction: NSObject {
  /// developer.apple.com/documentation/uikit/uialertaction/style
  public enum Style: Int, Sendable { case `default`, cancel, destructive }
  /// developer.apple.com/documentation/uikit/uialertaction/init(title:style:handler:)
  public convenience init(
    title: String?, style: Style, handler: (@MainActor (UIAlertAction) -> Void)? = nil
  ) { standIn() }
}

/// developer.apple.com/documentation/foundation/nsextensioncontext
open class NSExtensionContext: NSObject {
  /// developer.apple.com/documentation/uikit/nsextensioncontext/inputitems
  open var inputItems: [Any] { standIn() }
  /// developer.apple.com/documentation/uikit/nsextensioncontext/completerequest(returningitems:completionhandler:)
  open func completeRequest(
    returningItems items: [Any]?, completionHandler: (@Sendable (Bool) -> Void)? = nil
  ) { standIn() }
  /// developer.apple.com/documentation/uikit/nsextensioncontext/cancelrequest(witherror:)
  open func cancelRequest(withError error: any Error) { standIn() }
}

/// developer.apple.com/documentation/foundation/nsextensionitem
open class NSExtensionItem: NSObject {
  /// developer.apple.com/documentation/uikit/nsextensionitem/attachments
  open var attachments: [NSItemProvider]? { standIn() }
}

/// developer.apple.com/documentation/foundation/nsitemprovider
open class NSItemProvider: NSObject, @unchecked Sendable {
  /// developer.apple.com/documentation/uikit/nsitemprovider/hasitemconformingtotypeidentifier(_:)
  open func hasItemConformingToTypeIdentifier(_ typeIdentifier: String) -> Bool { standIn() }
  /// developer.apple.com/documentation/uikit/nsitemprovider/loaddatarepresentation(fortypeidentifier:completionhandler:)
  @discardableResult open func loadDataRepresentation(
    forTypeIdentifier typeIdentifier: String,
    completionHandler: @escaping @Sendable (Data?, (any Error)?) -> Void
  ) -> Progress { standIn() }
}
