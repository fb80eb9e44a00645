// No SwiftUI: the words of it that the views of this example use, so that a machine without it can check their types.
// Nothing is drawn, and nothing of it is ever run.

@MainActor @preconcurrency public protocol View {
    associatedtype Body: View
    @ViewBuilder var body: Body { get }
}

extension Never: View {
    public var body: Never { fatalError() }
}

/// What has no body of its own.
public protocol Drawn: View where Body == Never {}
extension Drawn {
    public var body: Never { fatalError() }
}

@MainActor @preconcurrency public protocol Scene {}
@MainActor @preconcurrency public protocol App {
    associatedtype Body: Scene
    @SceneBuilder var body: Body { get }
    init()
}
extension App {
    public static func main() { fatalError("there is no SwiftUI here") }
}
@resultBuilder public enum SceneBuilder {
    public static func buildBlock<S: Scene>(_ scene: S) -> S { scene }
}
public struct WindowGroup<Content: View>: Scene {
    public init(@ViewBuilder content: () -> Content) {}
}

@resultBuilder public enum ViewBuilder {
    public static func buildBlock() -> EmptyView { EmptyView() }
    public static func buildBlock<V: View>(_ view: V) -> V { view }
    public static func buildBlock<each V: View>(_ views: repeat each V) -> TupleView<(repeat each V)> { TupleView() }
    public static func buildIf<V: View>(_ view: V?) -> V? { view }
    public static func buildEither<A: View, B: View>(first: A) -> Either<A, B> { Either() }
    public static func buildEither<A: View, B: View>(second: B) -> Either<A, B> { Either() }
}
public struct TupleView<Content>: Drawn {
    nonisolated init() {}
}
public struct Either<A: View, B: View>: Drawn {
    nonisolated init() {}
}
public struct EmptyView: Drawn {
    public nonisolated init() {}
}
extension Optional: View where Wrapped: View {
    public var body: Never { fatalError() }
}

@propertyWrapper public struct State<Value> {
    public init(wrappedValue: Value) {}
    public var wrappedValue: Value {
        get { fatalError() }
        nonmutating set {}
    }
    public var projectedValue: Binding<Value> { fatalError() }
}
extension State where Value: ExpressibleByNilLiteral {
    public init() {}
}
@propertyWrapper public struct Binding<Value> {
    public init(get: @escaping () -> Value, set: @escaping (Value) -> Void) {}
    public var wrappedValue: Value {
        get { fatalError() }
        nonmutating set {}
    }
}
@propertyWrapper public struct Environment<Value> {
    public init(_ path: KeyPath<EnvironmentValues, Value>) {}
    public var wrappedValue: Value { fatalError() }
}
public struct EnvironmentValues {
    public var scenePhase: ScenePhase { fatalError() }
}
public enum ScenePhase: Equatable, Sendable { case background, inactive, active }

public struct Text: Drawn {
    public init(_ content: some StringProtocol) {}
    public func font(_ font: Font?) -> Text { self }
}
public struct Font: Sendable {
    public static let caption = Font()
}
public struct Button: Drawn {
    public init(_ title: some StringProtocol, action: @escaping @MainActor () -> Void) {}
}
public struct TextField: Drawn {
    public init(_ title: some StringProtocol, text: Binding<String>) {}
}
public struct ProgressView: Drawn {
    public init() {}
}
public struct Divider: Drawn {
    public init() {}
}
public struct HStack<Content: View>: Drawn {
    public init(@ViewBuilder content: () -> Content) {}
}
public struct VStack<Content: View>: Drawn {
    public init(alignment: HorizontalAlignment = .leading, @ViewBuilder content: () -> Content) {}
}
public struct LazyVStack<Content: View>: Drawn {
    public init(spacing: Double? = nil, @ViewBuilder content: () -> Content) {}
}
public struct ScrollView<Content: View>: Drawn {
    public init(@ViewBuilder content: () -> Content) {}
}
public struct ForEach<Data: RandomAccessCollection, ID: Hashable, Content: View>: Drawn {
    public init(_ data: Data, id: KeyPath<Data.Element, ID>, @ViewBuilder content: @escaping (Data.Element) -> Content)
    {}
}
public struct List<Content: View>: Drawn {
    public init<Data: RandomAccessCollection, ID: Hashable>(
        _ data: Data, id: KeyPath<Data.Element, ID>, @ViewBuilder rowContent: @escaping (Data.Element) -> Content
    ) {}
}
public struct NavigationStack<Content: View>: Drawn {
    public init<Data>(path: Binding<Data>, @ViewBuilder root: () -> Content) {}
}
public struct NavigationLink: Drawn {
    public init(_ title: some StringProtocol, value: (some Hashable)?) {}
}
public enum HorizontalAlignment: Sendable { case leading, trailing }
public enum Alignment: Sendable { case leading, trailing }
public enum UnitPoint: Sendable { case bottom }

extension View {
    public func task(_ action: @escaping @MainActor @Sendable () async -> Void) -> some View { self }
    public func onAppear(perform action: (@MainActor () -> Void)? = nil) -> some View { self }
    public func onChange<V: Equatable>(of value: V, _ action: @escaping @MainActor (V, V) -> Void) -> some View { self }
    public func padding() -> some View { self }
    public func disabled(_ disabled: Bool) -> some View { self }
    public func frame(maxWidth: Double?, alignment: Alignment) -> some View { self }
    public func defaultScrollAnchor(_ anchor: UnitPoint?) -> some View { self }
    public func navigationTitle(_ title: some StringProtocol) -> some View { self }
    public func toolbar(@ViewBuilder content: () -> some View) -> some View { self }
    public func navigationDestination<D: Hashable>(
        for data: D.Type, @ViewBuilder destination: @escaping (D) -> some View
    ) -> some View { self }
}
