import MobileOApp
import SwiftUI

/// Where no bundle is: the two ways to one.
struct FirstBundleView: View {
  @Environment(AppModel.self) private var app

  var body: some View {
    NavigationStack {
      Form {
        Section {
          Text(
            """
            This app runs a Mobile-O model on this device. It needs a bundle, which mobileo-export \
            makes: download one, or import it from Files.
            """)
        }
        DownloadSection(download: app.download)
        ImportSection()
      }
      .formStyle(.grouped)
      .navigationTitle("Get a model")
    }
  }
}
