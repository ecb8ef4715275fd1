/// What a pipeline is asked to do, as far as it decides which components run.
public enum PipelineTask: Sendable, Hashable {
  case chat
  case ask
  /// Guided: the connector and the transformer run both branches, since guidance is not 1.
  case draw(guided: Bool)
  case edit(guided: Bool)

  /// The components that it runs, in order.
  public var components: [String] {
    switch self {
    case .chat: ["llm"]
    case .ask: ["vision_encoder", "llm"]
    case .draw: ["llm", "mcp", "dit", "vae_decoder"]
    case .edit: ["vision_encoder", "llm", "mcp", "dit", "vae_decoder"]
    }
  }

  /// For people.
  var name: String {
    switch self {
    case .chat: "chat"
    case .ask: "ask"
    case .draw: "draw"
    case .edit: "edit"
    }
  }

  /// Whether `component` is given two of what the component before it made.
  func doubles(_ component: String) -> Bool {
    switch self {
    case .draw(let guided), .edit(let guided): guided && ["mcp", "dit"].contains(component)
    default: false
    }
  }
}
