// swift-tools-version:6.0
import PackageDescription

// Where there is no SwiftUI, the views are held to a stand-in that has its words and draws nothing.
#if os(Linux)
    let standIn: [Target] = [.target(name: "SwiftUI", path: "StandIn/SwiftUI")]
    let views: [Target.Dependency] = ["ChatGlue", "SwiftUI"]
#else
    let standIn: [Target] = []
    let views: [Target.Dependency] = ["ChatGlue"]
#endif

let package = Package(
    name: "ChatApp",
    platforms: [.iOS(.v17), .macOS(.v14)],
    dependencies: [.package(path: "../../bindings-swift")],
    targets: [
        .executableTarget(name: "ChatApp", dependencies: views),
        .target(name: "ChatGlue", dependencies: [.product(name: "Tertulia", package: "bindings-swift")]),
        .testTarget(name: "ChatGlueTests", dependencies: ["ChatGlue"]),
    ] + standIn
)
