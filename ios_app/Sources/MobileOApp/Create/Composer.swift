import Foundation
import MobileO

/// What the user has put together and not yet sent. A value: views bind to its parts.
public struct Composer: Sendable, Equatable {
  /// The chip that is chosen.
  public var intent = Intent.chat
  /// What is typed.
  public var text = ""
  /// The name of the picture that is attached, in the library.
  public var picture: String?
  /// Of what draws.
  public var steps: Int
  /// Of what draws; 1 is none.
  public var guidance: Double
  /// What stands in the field of the seed; blank takes one by chance.
  public var seedText = ""
  /// Whether the seed stays for the next request.
  public var isSeedLocked = false

  private let recipe: Recipe

  /// Empty, with the recipe's steps and guidance.
  public init(_ recipe: Recipe) {
    self.recipe = recipe
    steps = recipe.sampling.steps
    guidance = recipe.sampling.guidance
  }

  /// Why this cannot be sent, in one sentence; nil if it can.
  public var problem: String? {
    switch intent {
    case _ where intent.takesPicture && picture == nil:
      intent == .ask
        ? "Asking needs a picture: attach one, or choose Chat."
        : "Editing needs a picture: attach one, or choose Draw."
    case _ where !intent.takesPicture && picture != nil:
      intent == .chat
        ? "A chat takes no picture: choose Ask, or remove the picture."
        : "Drawing takes no picture: choose Edit, or remove the picture."
    case _ where text.isBlank: Self.wanted[intent]
    default: numbersProblem
    }
  }

  private static let wanted: [Intent: String] = [
    .chat: "There is nothing to send yet: write a message.",
    .draw: "There is nothing to draw yet: describe a picture.",
    .ask: "There is no question yet: write one.",
    .edit: "There is no instruction yet: say what to change.",
  ]

  private var numbersProblem: String? {
    do {
      let seed = try Self.seed(typed: seedText) ?? 0
      if intent.drawsPicture {
        _ = try Drawing(recipe, steps: steps, guidance: guidance, seed: seed)
      }
      return nil
    } catch {
      return sentence(of: error)
    }
  }

  /// What is to be run. Where no seed is typed it is `chance`.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: the ``problem``.
  public func request(bundle: String, chance: UInt64) throws -> Request {
    if let problem { throw MobileOError(.usage, problem) }
    return Request(
      intent: intent, text: text, picture: picture,
      look: intent.drawsPicture ? Request.Look(steps: steps, guidance: guidance) : nil,
      seed: try Self.seed(typed: seedText) ?? chance, bundle: bundle)
  }

  /// What is left when `request` is on its way.
  ///
  /// The text goes. The picture stays for an ``Intent/ask``, so that the next question is about it
  /// too; a seed stays if it is locked, as a number even if it came by chance.
  public mutating func sent(_ request: Request) {
    text = ""
    if request.intent != .ask { picture = nil }
    seedText = isSeedLocked ? String(request.seed) : ""
  }

  /// Puts back everything of `request`, as when it is to be made again or changed a little.
  public mutating func take(_ request: Request) {
    intent = request.intent
    text = request.text
    picture = request.picture
    steps = request.look?.steps ?? steps
    guidance = request.look?.guidance ?? guidance
    seedText = String(request.seed)
  }

  /// The seed that is typed; nil where nothing is.
  ///
  /// - Throws: ``MobileOError`` of kind `usage`: it is no whole number from 0 to 2⁶⁴ − 1.
  public static func seed(typed: String) throws -> UInt64? {
    let words = typed.unicodeScalars.split { $0.isSpace }
    guard let first = words.first else { return nil }
    let digits = String(String.UnicodeScalarView(first))
    guard words.count == 1, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let seed = UInt64(digits)
    else {
      throw MobileOError(
        .usage,
        "A seed is a whole number from 0 to \(UInt64.max), not '\(oneLine(typed, longest: 40))': "
          + "type one, or leave the field empty.")
    }
    return seed
  }
}

/// The one sentence that is shown of any error.
func sentence(of error: any Error) -> String {
  (error as? MobileOError)?.description ?? oneLine(error.localizedDescription)
}
