// swift-tools-version:6.0
import PackageDescription

// Where the native library is: a debug build of this checkout, unless told otherwise.
let libraries = Context.environment["TERTULIA_LIBRARIES"] ?? "\(Context.packageDirectory)/../target/debug"

let package = Package(
    name: "Tertulia",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Tertulia", targets: ["Tertulia"])],
    targets: [
        // What is observed needs a symbol that Swift 6.0's own library for Linux does not find.
        .target(
            name: "Tertulia",
            dependencies: ["TertuliaFFI"],
            linkerSettings: [.unsafeFlags(["-Xlinker", "--allow-shlib-undefined"], .when(platforms: [.linux]))]
        ),
        // Generated, as is its header. Its form is that of language mode 5; in 6 the compiler of Swift 6.0 gives up on it.
        .target(
            name: "TertuliaFFI",
            dependencies: ["CTertulia"],
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: [
                .unsafeFlags(["-L\(libraries)", "-Xlinker", "-rpath", "-Xlinker", libraries]),
                .linkedLibrary("tertulia_ffi"),
            ]
        ),
        .systemLibrary(name: "CTertulia"),
        .executableTarget(name: "chat", dependencies: ["Tertulia"], path: "Examples/Chat"),
        .executableTarget(
            name: "examples", dependencies: ["Tertulia"], path: "Examples/Numbered", exclude: ["README.md"]),
        .target(name: "Simulator", path: "Tests/Simulator"),
        .executableTarget(name: "scenarios", dependencies: ["Tertulia", "Simulator"], path: "Tests/Scenarios"),
        .executableTarget(name: "bench", dependencies: ["Tertulia", "Simulator"], path: "Tests/Bench"),
        .executableTarget(name: "soak", dependencies: ["Tertulia"], path: "Tests/Soak"),
        .testTarget(name: "TertuliaTests", dependencies: ["Tertulia", "Simulator", "chat", "examples"]),
    ]
)
