import MobileO
import MobileOApp
import Testing

@Suite struct ComposerTests {
  @Test func itBeginsWithTheRecipe() throws {
    let composer = Composer(try ToyBundle.recipe())
    #expect(composer.intent == .chat && composer.steps == 4 && composer.guidance == 1.5)
    #expect(composer.seedText.isEmpty && !composer.isSeedLocked && composer.picture == nil)
  }

  /// Every intent with and without a picture, with and without words.
  @Test func whatAnIntentNeedsIsSaidInASentence() throws {
    for intent in Intent.allCases {
      for picture in [nil, "a.png"] {
        for text in ["", " \n\u{3000}", "a red circle"] {
          var composer = Composer(try ToyBundle.recipe())
          (composer.intent, composer.picture, composer.text) = (intent, picture, text)
          let fits = intent.takesPicture == (picture != nil) && text == "a red circle"
          #expect((composer.problem == nil) == fits, "\(intent) \(picture ?? "-") '\(text)'")
          if let problem = composer.problem {
            #expect(problem.hasSuffix(".") && !problem.contains("\n"))
            let error = failure { try composer.request(bundle: "b", chance: 1) }
            #expect(error == MobileOError(.usage, problem))
          }
          if intent.takesPicture != (picture != nil) {
            #expect(composer.problem?.contains("picture") == true)
          }
        }
      }
    }
  }

  @Test func wordsNeverChangeTheIntent() throws {
    var composer = Composer(try ToyBundle.recipe())
    composer.text = "Generate an image of a cat, edit it, draw it"
    #expect(try composer.request(bundle: "b", chance: 1).intent == .chat)
  }

  @Test func numbersOutOfRangeAreNamed() throws {
    var composer = Composer(try ToyBundle.recipe())
    (composer.intent, composer.text) = (.draw, "a cat")
    for steps in [0, -1, 501, .min] {
      composer.steps = steps
      #expect(composer.problem?.contains("\(steps) steps") == true)
    }
    composer.steps = 500
    for guidance in [0.99, 30.1, .nan, .infinity] {
      composer.guidance = guidance
      #expect(composer.problem?.contains("guidance") == true)
    }
    composer.guidance = 30
    #expect(composer.problem == nil)
    // What does not draw has neither.
    (composer.intent, composer.steps) = (.chat, 0)
    #expect(composer.problem == nil)
    #expect(try composer.request(bundle: "b", chance: 1).look == nil)
  }

  @Test func seedsAreParsedOrNamed() throws {
    #expect(try Composer.seed(typed: "") == nil)
    #expect(try Composer.seed(typed: " \t") == nil)
    #expect(try Composer.seed(typed: " 7\n") == 7)
    #expect(try Composer.seed(typed: "007") == 7)
    #expect(try Composer.seed(typed: "18446744073709551615") == .max)
    for wrong in ["-1", "+1", "1.5", "1e3", "18446744073709551616", "1 2", "0x10", "٣", "seven"] {
      let error = failure { try Composer.seed(typed: wrong) }
      #expect(error?.kind == .usage && error?.message.contains(wrong) == true, "\(wrong)")
      var composer = Composer(try ToyBundle.recipe())
      (composer.intent, composer.text, composer.seedText) = (.draw, "a cat", wrong)
      #expect(composer.problem == error?.message)
    }
  }

  @Test func aSeedIsTakenByChanceUnlessItIsTypedOrLocked() throws {
    var composer = Composer(try ToyBundle.recipe())
    (composer.intent, composer.text) = (.draw, "a cat")
    let first = try composer.request(bundle: "b", chance: 11)
    #expect(first.seed == 11)
    composer.sent(first)
    #expect(composer.seedText.isEmpty && composer.text.isEmpty)
    composer.isSeedLocked = true
    composer.sent(first)
    composer.text = "a dog"
    #expect(try composer.request(bundle: "b", chance: 12).seed == 11)
    composer.seedText = "5"
    #expect(try composer.request(bundle: "b", chance: 12).seed == 5)
  }

  @Test func aQuestionKeepsItsPictureAndAnEditDoesNot() throws {
    for (intent, stays) in [(Intent.ask, true), (.edit, false)] {
      var composer = Composer(try ToyBundle.recipe())
      (composer.intent, composer.text, composer.picture) = (intent, "why?", "a.png")
      composer.sent(try composer.request(bundle: "b", chance: 1))
      #expect((composer.picture == "a.png") == stays)
      #expect(composer.intent == intent)
    }
  }

  @Test func aRequestComesBackWhole() throws {
    let look = Request.Look(steps: 9, guidance: 2.25)
    let request = Request(
      intent: .edit, text: "make it blue", picture: "a.png", look: look, seed: .max, bundle: "b")
    var composer = Composer(try ToyBundle.recipe())
    composer.take(request)
    #expect(try composer.request(bundle: "b", chance: 1) == request)
  }

  @Test func anotherBundleIsRefusedByName() {
    let request = Request(intent: .draw, text: "a", seed: 1, bundle: "0123456789abcdef")
    #expect(failure { try request.check(bundle: "0123456789abcdef") } == nil)
    let error = failure { try request.check(bundle: "fedcba9876543210") }
    #expect(error?.kind == .usage)
    #expect(error?.message.contains("0123456789ab") == true)
    #expect(error?.message.contains("fedcba987654") == true)
  }
}
