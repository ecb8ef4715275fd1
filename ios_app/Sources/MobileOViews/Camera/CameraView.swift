import MobileO
import MobileOApp
import SwiftUI

/// What the camera sees and what the model says of it, live or of one picture.
struct CameraView: View {
  let studio: Studio
  @Environment(AppModel.self) private var app
  @Environment(Tools.self) private var tools
  @State private var camera: CameraModel?

  var body: some View {
    NavigationStack {
      Group {
        if let camera {
          CameraScreen(camera: camera)
        } else {
          ProgressView()
        }
      }
      .navigationTitle("Camera")
    }
    .task(id: ObjectIdentifier(studio)) {
      camera = app.camera(tools.camera, speaker: tools.speaker)
      await camera?.start()
    }
    .onDisappear { camera?.stop() }
  }
}

/// The picture, the answer below it, and what is asked.
struct CameraScreen: View {
  @Bindable var camera: CameraModel

  var body: some View {
    ScrollView {
      VStack(alignment: .leading, spacing: 16) {
        picture
        CameraAnswer(camera: camera)
        controls
        CameraQuestion(camera: camera)
      }
      .padding()
    }
  }

  @ViewBuilder private var picture: some View {
    switch camera.state {
    case .off:
      Button("Start the camera", systemImage: "camera") { Task { await camera.start() } }
        .buttonStyle(.borderedProminent)
        .accessibilityIdentifier("camera.start")
    case .starting: ProgressView("Waiting for the camera")
    case .failed(let sentence):
      ProblemLabel(sentence: sentence)
      Button("Try again", systemImage: "arrow.clockwise") { Task { await camera.start() } }
    case .watching, .frozen:
      if let picture = camera.picture {
        PictureImage(
          picture: picture,
          label: camera.state == .frozen
            ? Text("The picture that was taken") : Text("What the camera sees")
        )
        .accessibilityIdentifier("camera.picture")
      }
    }
  }

  private var controls: some View {
    ViewThatFits(in: .horizontal) {
      HStack(spacing: 16) { buttons }
      VStack(alignment: .leading, spacing: 8) { buttons }
    }
  }

  @ViewBuilder private var buttons: some View {
    Picker("Live or photo", selection: $camera.mode) {
      Text("Live").tag(CameraModel.Mode.live)
      Text("Photo").tag(CameraModel.Mode.photo)
    }
    .pickerStyle(.segmented)
    .accessibilityIdentifier("camera.mode")
    if camera.state == .watching {
      Button("Freeze", systemImage: "pause.circle") { camera.freeze() }
    }
    if camera.state == .frozen {
      Button("Go on", systemImage: "play.circle") { camera.resume() }
    }
    if camera.hasBothFacings {
      Button(camera.facing.other.action, systemImage: "arrow.triangle.2.circlepath.camera") {
        camera.flip()
      }
      .disabled(!camera.canFlip)
      .accessibilityIdentifier("camera.flip")
    }
    if camera.mode == .photo || camera.state == .frozen {
      Button("Ask", systemImage: "questionmark.bubble") { Task { await camera.ask() } }
        .buttonStyle(.borderedProminent)
        .disabled(camera.picture == nil || camera.isAsking)
        .keyboardShortcut(.return)
        .accessibilityIdentifier("camera.ask")
    }
  }
}

/// What is said of the picture, and how long it took.
struct CameraAnswer: View {
  let camera: CameraModel

  var body: some View {
    VStack(alignment: .leading, spacing: 6) {
      if let text = camera.text, !text.isEmpty {
        Text(text)
      } else if let said = camera.said {
        Text(said.text).textSelection(.enabled).accessibilityIdentifier("camera.answer")
        Note("\(time(said.took)) from the picture to the end of the answer")
      }
      if camera.isAsking { ProgressView().accessibilityLabel("Looking at the picture") }
      if let notice = camera.notice { ProblemLabel(sentence: notice) }
      if let pause = camera.pause, pause >= .seconds(1) {
        Note("The device is warm: it rests \(time(pause)) between answers.")
      }
    }
    .accessibilityAddTraits(.updatesFrequently)
  }
}

/// What is asked, and whether the answer is spoken.
struct CameraQuestion: View {
  @Bindable var camera: CameraModel

  var body: some View {
    VStack(alignment: .leading, spacing: 12) {
      Picker("Question", selection: $camera.preset) {
        ForEach(CameraPreset.allCases, id: \.self) { Text($0.title).tag($0) }
      }
      .pickerStyle(.menu)
      .accessibilityIdentifier("camera.preset")
      if camera.preset == .custom {
        TextField("Your question", text: $camera.customQuestion)
          .textFieldStyle(.roundedBorder)
          .accessibilityIdentifier("camera.question")
      }
      Toggle("Speak the answers", isOn: $camera.speaks)
    }
  }
}

extension Facing {
  /// What a button is called that turns to it.
  var action: LocalizedStringKey {
    switch self {
    case .back: "Use the back camera"
    case .front: "Use the front camera"
    }
  }
}

extension CameraPreset {
  var title: LocalizedStringKey {
    switch self {
    case .describe: "Describe"
    case .readText: "Read text"
    case .count: "Count"
    case .expression: "Expression"
    case .custom: "Your own"
    }
  }
}
