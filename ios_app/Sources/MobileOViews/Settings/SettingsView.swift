import MobileO
import MobileOApp
import SwiftUI

/// What the user chooses for good. Everything takes effect at once, and is saved.
struct SettingsView: View {
  let studio: Studio
  @Environment(AppModel.self) private var app
  @State private var isResetting = false

  var body: some View {
    NavigationStack {
      Form {
        Section {
          NavigationLink("Bundles and storage") { BundlesView() }
            .accessibilityIdentifier("settings.bundles")
          NavigationLink("Recipe of this bundle") { RecipeView(recipe: studio.model.recipe) }
            .accessibilityIdentifier("settings.recipe")
        }
        making
        memory
        units
        coreAI
        Section {
          Button("Reset all settings", role: .destructive) { isResetting = true }
            .accessibilityIdentifier("settings.reset")
        }
      }
      .formStyle(.grouped)
      .navigationTitle("Settings")
      .confirmationDialog("Reset all settings?", isPresented: $isResetting) {
        Button("Reset", role: .destructive) { Task { await app.resetSettings() } }
        Button("Cancel", role: .cancel) {}
      } message: {
        Text("Bundles, conversations and pictures stay.")
      }
    }
  }

  private var making: some View {
    Section {
      Toggle("Keep the seed for the next picture", isOn: setting(\.isSeedLocked))
        .accessibilityIdentifier("settings.seed")
      Toggle("Longest answer as in the recipe", isOn: takesRecipeLength)
      if let length = app.settings.longestAnswer {
        Stepper(
          value: setting(\.longestAnswer, or: length), in: AppSettings.answerLengths, step: 32
        ) {
          LabeledContent("Longest answer, tokens", value: length.formatted())
        }
        .accessibilityValue(Text(length.formatted()))
      }
    } header: {
      Text("Pictures and answers")
    }
  }

  private var memory: some View {
    Section {
      Picker("Parts that have run", selection: setting(\.memory)) {
        Text("Stay while there is room").tag(MemoryPlan.Policy.keep)
        Text("Go at once").tag(MemoryPlan.Policy.drop)
      }
      .accessibilityIdentifier("settings.memory")
      Toggle("Reduced precision where it is faster", isOn: setting(\.allowsReducedPrecision))
      DeviceRows(device: app.device)
    } header: {
      Text("Memory and precision")
    } footer: {
      Text("Self-tests always compute with full precision. Reports name what was chosen.")
    }
  }

  /// Of the parts that Core ML runs; MLX runs all others on the GPU.
  @ViewBuilder private var units: some View {
    let components = AppSettings.components.filter { name in
      studio.model.manifest.components[name]?.onDevice?.kind == "mlpackage"
    }
    if !components.isEmpty { units(of: components) }
  }

  private func units(of components: [String]) -> some View {
    Section {
      ForEach(components, id: \.self) { component in
        Picker(selection: unit(of: component)) {
          Text("As the bundle says").tag(AppSettings.ComputeUnits?.none)
          ForEach(AppSettings.ComputeUnits.allCases, id: \.self) { unit in
            Text(unit.title).tag(AppSettings.ComputeUnits?.some(unit))
          }
        } label: {
          componentTitle(component)
        }
        .accessibilityIdentifier("settings.units." + component)
      }
    } header: {
      Text("Compute units")
    } footer: {
      Text("What is changed here is prepared anew, which can take minutes.")
    }
  }

  /// Of a bundle for Core AI; elsewhere only where it is on, so that it can be turned off.
  @ViewBuilder private var coreAI: some View {
    let isForIt = studio.model.manifest.components.values.contains {
      $0.onDevice?.kind == "aimodel"
    }
    if isForIt || app.settings.coreAI != nil {
      Section {
        Picker("Core AI", selection: setting(\.coreAI)) {
          Text("Off").tag(CoreAIUnits?.none)
          Text("All").tag(CoreAIUnits?.some(.all))
          Text("CPU only").tag(CoreAIUnits?.some(.cpuOnly))
        }
        .accessibilityIdentifier("settings.coreai")
      } footer: {
        Text("Runs bundles for Core AI, on iOS and macOS 27. A first load can take minutes.")
      }
    }
  }

  // MARK: Bindings

  private func setting<Value: Sendable>(
    _ path: WritableKeyPath<AppSettings, Value> & Sendable
  ) -> Binding<Value> {
    let app = app
    return Binding { @MainActor in
      app.settings[keyPath: path]
    } set: { @MainActor value in
      var settings = app.settings
      settings[keyPath: path] = value
      Task { [settings] in await app.change(settings: settings) }
    }
  }

  private func setting<Value: Sendable>(
    _ path: WritableKeyPath<AppSettings, Value?> & Sendable, or value: Value
  ) -> Binding<Value> {
    let optional = setting(path)
    return Binding {
      optional.wrappedValue ?? value
    } set: {
      optional.wrappedValue = $0
    }
  }

  private var takesRecipeLength: Binding<Bool> {
    let length = setting(\.longestAnswer)
    let recipe = studio.model.recipe.text.maxNewTokens
    let lengths = AppSettings.answerLengths
    return Binding {
      length.wrappedValue == nil
    } set: {
      length.wrappedValue = $0 ? nil : min(max(recipe, lengths.lowerBound), lengths.upperBound)
    }
  }

  private func unit(of component: String) -> Binding<AppSettings.ComputeUnits?> {
    let units = setting(\.computeUnits)
    return Binding {
      units.wrappedValue[component]
    } set: {
      units.wrappedValue[component] = $0
    }
  }
}

/// What the app takes of memory now, and may still take; how hot the device is.
struct DeviceRows: View {
  let device: Device

  var body: some View {
    if let footprint = device.footprint() {
      LabeledContent("Memory of the app", value: bytes(footprint))
    }
    if let headroom = device.headroom() {
      LabeledContent("It may still take", value: bytes(headroom))
    }
    if let heat = device.heat() {
      LabeledContent("Heat of the device") { Text(heat.title) }
    }
    if device.isLowPower() == true { Note("Low Power Mode is on: everything takes longer.") }
  }
}

extension AppSettings.ComputeUnits {
  var title: LocalizedStringKey {
    switch self {
    case .all: "All"
    case .cpuAndGPU: "CPU and GPU"
    case .cpuAndNeuralEngine: "CPU and Neural Engine"
    case .cpuOnly: "CPU only"
    }
  }
}

extension Heat {
  var title: LocalizedStringKey {
    switch self {
    case .nominal: "Normal"
    case .fair: "Warm"
    case .serious: "Hot"
    case .critical: "Too hot"
    }
  }
}
