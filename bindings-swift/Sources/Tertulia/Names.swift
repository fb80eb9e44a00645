// Within the class the names of the types outside of it are hidden by those that it gets here.
public typealias TertuliaUserScope = UserScope
public typealias TertuliaConversation = Conversation
public typealias TertuliaReplyStream = ReplyStream
public typealias TertuliaMessages = Messages
public typealias TertuliaSseStream = SseStream
public typealias TertuliaTimeline = Timeline
public typealias TertuliaTimelineSse = TimelineSse
public typealias TertuliaConversationsWatch = ConversationsWatch
public typealias TertuliaOutbox = Outbox
public typealias TertuliaOutboxWatch = OutboxWatch
public typealias TertuliaEvents = Events
public typealias TertuliaLibrary = Library
public typealias TertuliaLibraryCache = LibraryCache
public typealias TertuliaBatch = Batch
public typealias TertuliaBatchRun = BatchRun
public typealias TertuliaStoreUpkeep = StoreUpkeep
public typealias TertuliaProviderHandle = ProviderHandle
@available(iOS 17, macOS 14, *)
public typealias TertuliaTimelineModel = TimelineModel
@available(iOS 17, macOS 14, *)
public typealias TertuliaTimelineRow = TimelineRow
public typealias TertuliaKeySource = KeySource
public typealias TertuliaAskedKeys = AskedKeys
public typealias TertuliaProvider = Provider
public typealias TertuliaSettings = Settings
public typealias TertuliaFailure = TertuliaError

/// For apps that have a `Conversation` of their own: as module and class share their name, `Tertulia.Conversation` means
/// nothing else.
extension Tertulia {
    public typealias UserScope = TertuliaUserScope
    public typealias Conversation = TertuliaConversation
    public typealias ReplyStream = TertuliaReplyStream
    public typealias Messages = TertuliaMessages
    public typealias SseStream = TertuliaSseStream
    public typealias Timeline = TertuliaTimeline
    public typealias TimelineSse = TertuliaTimelineSse
    public typealias ConversationsWatch = TertuliaConversationsWatch
    public typealias Outbox = TertuliaOutbox
    public typealias OutboxWatch = TertuliaOutboxWatch
    public typealias Events = TertuliaEvents
    public typealias Library = TertuliaLibrary
    public typealias LibraryCache = TertuliaLibraryCache
    public typealias Batch = TertuliaBatch
    public typealias BatchRun = TertuliaBatchRun
    public typealias StoreUpkeep = TertuliaStoreUpkeep
    public typealias ProviderHandle = TertuliaProviderHandle
    @available(iOS 17, macOS 14, *)
    public typealias TimelineModel = TertuliaTimelineModel
    @available(iOS 17, macOS 14, *)
    public typealias TimelineRow = TertuliaTimelineRow
    public typealias KeySource = TertuliaKeySource
    public typealias AskedKeys = TertuliaAskedKeys
    public typealias Provider = TertuliaProvider
    public typealias Settings = TertuliaSettings
    public typealias TertuliaError = TertuliaFailure
}
