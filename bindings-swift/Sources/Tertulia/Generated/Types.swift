// Written by tools/border.py.

import TertuliaFFI
@_exported import struct TertuliaFFI.Attempt
@_exported import struct TertuliaFFI.BatchItem
@_exported import enum TertuliaFFI.BatchPhase
@_exported import struct TertuliaFFI.BatchProgress
@_exported import struct TertuliaFFI.BatchReport
@_exported import enum TertuliaFFI.BatchState
@_exported import enum TertuliaFFI.BatchVerb
@_exported import struct TertuliaFFI.Branch
@_exported import struct TertuliaFFI.BranchPage
@_exported import enum TertuliaFFI.BreakerState
@_exported import struct TertuliaFFI.Budget
@_exported import enum TertuliaFFI.BudgetLimit
@_exported import enum TertuliaFFI.BudgetScope
@_exported import struct TertuliaFFI.BudgetStatus
@_exported import enum TertuliaFFI.CacheMode
@_exported import struct TertuliaFFI.CallOptions
@_exported import struct TertuliaFFI.Capabilities
@_exported import struct TertuliaFFI.ChatRequest
@_exported import struct TertuliaFFI.Citation
@_exported import struct TertuliaFFI.ContextOptions
@_exported import struct TertuliaFFI.ContextReport
@_exported import struct TertuliaFFI.ConversationChange
@_exported import enum TertuliaFFI.ConversationDiff
@_exported import struct TertuliaFFI.ConversationOpening
@_exported import struct TertuliaFFI.ConversationPage
@_exported import struct TertuliaFFI.ConversationSummary
@_exported import struct TertuliaFFI.Cost
@_exported import enum TertuliaFFI.CostSource
@_exported import enum TertuliaFFI.Delivery
@_exported import enum TertuliaFFI.Detail
@_exported import struct TertuliaFFI.EngineEvent
@_exported import enum TertuliaFFI.EngineEventKind
@_exported import struct TertuliaFFI.ErasureReport
@_exported import struct TertuliaFFI.ErrorInfo
@_exported import enum TertuliaFFI.ErrorKind
@_exported import enum TertuliaFFI.Expiry
@_exported import struct TertuliaFFI.ExportReport
@_exported import enum TertuliaFFI.FinishReason
@_exported import struct TertuliaFFI.Forecast
@_exported import struct TertuliaFFI.Health
@_exported import enum TertuliaFFI.HealthState
@_exported import enum TertuliaFFI.HistoryAnchor
@_exported import enum TertuliaFFI.ImportFormat
@_exported import struct TertuliaFFI.ImportProblem
@_exported import struct TertuliaFFI.ImportReport
@_exported import struct TertuliaFFI.LibraryEntry
@_exported import struct TertuliaFFI.LibraryHealth
@_exported import struct TertuliaFFI.LibraryItem
@_exported import enum TertuliaFFI.LibraryValue
@_exported import struct TertuliaFFI.LibraryVersion
@_exported import enum TertuliaFFI.LogLevel
@_exported import struct TertuliaFFI.LogRecord
@_exported import struct TertuliaFFI.Media
@_exported import enum TertuliaFFI.MediaSource
@_exported import struct TertuliaFFI.Message
@_exported import struct TertuliaFFI.MessagePage
@_exported import enum TertuliaFFI.MessageStatus
@_exported import enum TertuliaFFI.MidStream
@_exported import struct TertuliaFFI.ModelInfo
@_exported import struct TertuliaFFI.NewMessage
@_exported import struct TertuliaFFI.OutboxItem
@_exported import struct TertuliaFFI.OutputSchema
@_exported import enum TertuliaFFI.Part
@_exported import struct TertuliaFFI.PartHealth
@_exported import struct TertuliaFFI.Preferences
@_exported import struct TertuliaFFI.PreferencesChange
@_exported import struct TertuliaFFI.Price
@_exported import enum TertuliaFFI.Priority
@_exported import enum TertuliaFFI.Progress
@_exported import struct TertuliaFFI.PromptCache
@_exported import struct TertuliaFFI.ProviderInfo
@_exported import struct TertuliaFFI.ProviderSpec
@_exported import struct TertuliaFFI.RawResponse
@_exported import enum TertuliaFFI.ReasoningEffort
@_exported import struct TertuliaFFI.Repair
@_exported import struct TertuliaFFI.Reply
@_exported import enum TertuliaFFI.ReplyStatus
@_exported import enum TertuliaFFI.Retry
@_exported import enum TertuliaFFI.RetryAfterSource
@_exported import enum TertuliaFFI.Role
@_exported import struct TertuliaFFI.Sampling
@_exported import struct TertuliaFFI.SearchHit
@_exported import struct TertuliaFFI.SearchPage
@_exported import enum TertuliaFFI.SearchSort
@_exported import struct TertuliaFFI.Span
@_exported import struct TertuliaFFI.StorageKind
@_exported import struct TertuliaFFI.StorageReport
@_exported import struct TertuliaFFI.StoreProblem
@_exported import enum TertuliaFFI.StoreProblemKind
@_exported import struct TertuliaFFI.StreamEvent
@_exported import enum TertuliaFFI.StreamEventKind
@_exported import struct TertuliaFFI.SummaryReport
@_exported import enum TertuliaFFI.TextChange
@_exported import struct TertuliaFFI.Tier
@_exported import enum TertuliaFFI.TimelineDiff
@_exported import enum TertuliaFFI.TimelineFocus
@_exported import struct TertuliaFFI.TimelineItem
@_exported import enum TertuliaFFI.TimelineItemKind
@_exported import struct TertuliaFFI.ToolCall
@_exported import enum TertuliaFFI.ToolChoice
@_exported import struct TertuliaFFI.ToolResult
@_exported import struct TertuliaFFI.ToolSpec
@_exported import struct TertuliaFFI.Turn
@_exported import enum TertuliaFFI.TurnState
@_exported import struct TertuliaFFI.Usage
@_exported import enum TertuliaFFI.UsageBy
@_exported import struct TertuliaFFI.UsageReport
@_exported import struct TertuliaFFI.UsageRow
@_exported import enum TertuliaFFI.UsageSource
@_exported import struct TertuliaFFI.UsageTotal
@_exported import struct TertuliaFFI.Verification
@_exported import enum TertuliaFFI.Window

/// Everything by the name of the package.
extension Tertulia {
    public typealias Attempt = TertuliaFFI.Attempt
    public typealias BatchItem = TertuliaFFI.BatchItem
    public typealias BatchPhase = TertuliaFFI.BatchPhase
    public typealias BatchProgress = TertuliaFFI.BatchProgress
    public typealias BatchReport = TertuliaFFI.BatchReport
    public typealias BatchState = TertuliaFFI.BatchState
    public typealias BatchVerb = TertuliaFFI.BatchVerb
    public typealias Branch = TertuliaFFI.Branch
    public typealias BranchPage = TertuliaFFI.BranchPage
    public typealias BreakerState = TertuliaFFI.BreakerState
    public typealias Budget = TertuliaFFI.Budget
    public typealias BudgetLimit = TertuliaFFI.BudgetLimit
    public typealias BudgetScope = TertuliaFFI.BudgetScope
    public typealias BudgetStatus = TertuliaFFI.BudgetStatus
    public typealias CacheMode = TertuliaFFI.CacheMode
    public typealias CallOptions = TertuliaFFI.CallOptions
    public typealias Capabilities = TertuliaFFI.Capabilities
    public typealias ChatRequest = TertuliaFFI.ChatRequest
    public typealias Citation = TertuliaFFI.Citation
    public typealias ContextOptions = TertuliaFFI.ContextOptions
    public typealias ContextReport = TertuliaFFI.ContextReport
    public typealias ConversationChange = TertuliaFFI.ConversationChange
    public typealias ConversationDiff = TertuliaFFI.ConversationDiff
    public typealias ConversationOpening = TertuliaFFI.ConversationOpening
    public typealias ConversationPage = TertuliaFFI.ConversationPage
    public typealias ConversationSummary = TertuliaFFI.ConversationSummary
    public typealias Cost = TertuliaFFI.Cost
    public typealias CostSource = TertuliaFFI.CostSource
    public typealias Delivery = TertuliaFFI.Delivery
    public typealias Detail = TertuliaFFI.Detail
    public typealias EngineEvent = TertuliaFFI.EngineEvent
    public typealias EngineEventKind = TertuliaFFI.EngineEventKind
    public typealias ErasureReport = TertuliaFFI.ErasureReport
    public typealias ErrorInfo = TertuliaFFI.ErrorInfo
    public typealias ErrorKind = TertuliaFFI.ErrorKind
    public typealias Expiry = TertuliaFFI.Expiry
    public typealias ExportReport = TertuliaFFI.ExportReport
    public typealias FinishReason = TertuliaFFI.FinishReason
    public typealias Forecast = TertuliaFFI.Forecast
    public typealias Health = TertuliaFFI.Health
    public typealias HealthState = TertuliaFFI.HealthState
    public typealias HistoryAnchor = TertuliaFFI.HistoryAnchor
    public typealias ImportFormat = TertuliaFFI.ImportFormat
    public typealias ImportProblem = TertuliaFFI.ImportProblem
    public typealias ImportReport = TertuliaFFI.ImportReport
    public typealias LibraryEntry = TertuliaFFI.LibraryEntry
    public typealias LibraryHealth = TertuliaFFI.LibraryHealth
    public typealias LibraryItem = TertuliaFFI.LibraryItem
    public typealias LibraryValue = TertuliaFFI.LibraryValue
    public typealias LibraryVersion = TertuliaFFI.LibraryVersion
    public typealias LogLevel = TertuliaFFI.LogLevel
    public typealias LogRecord = TertuliaFFI.LogRecord
    public typealias Media = TertuliaFFI.Media
    public typealias MediaSource = TertuliaFFI.MediaSource
    public typealias Message = TertuliaFFI.Message
    public typealias MessagePage = TertuliaFFI.MessagePage
    public typealias MessageStatus = TertuliaFFI.MessageStatus
    public typealias MidStream = TertuliaFFI.MidStream
    public typealias ModelInfo = TertuliaFFI.ModelInfo
    public typealias NewMessage = TertuliaFFI.NewMessage
    public typealias OutboxItem = TertuliaFFI.OutboxItem
    public typealias OutputSchema = TertuliaFFI.OutputSchema
    public typealias Part = TertuliaFFI.Part
    public typealias PartHealth = TertuliaFFI.PartHealth
    public typealias Preferences = TertuliaFFI.Preferences
    public typealias PreferencesChange = TertuliaFFI.PreferencesChange
    public typealias Price = TertuliaFFI.Price
    public typealias Priority = TertuliaFFI.Priority
    public typealias Progress = TertuliaFFI.Progress
    public typealias PromptCache = TertuliaFFI.PromptCache
    public typealias ProviderInfo = TertuliaFFI.ProviderInfo
    public typealias ProviderSpec = TertuliaFFI.ProviderSpec
    public typealias RawResponse = TertuliaFFI.RawResponse
    public typealias ReasoningEffort = TertuliaFFI.ReasoningEffort
    public typealias Repair = TertuliaFFI.Repair
    public typealias Reply = TertuliaFFI.Reply
    public typealias ReplyStatus = TertuliaFFI.ReplyStatus
    public typealias Retry = TertuliaFFI.Retry
    public typealias RetryAfterSource = TertuliaFFI.RetryAfterSource
    public typealias Role = TertuliaFFI.Role
    public typealias Sampling = TertuliaFFI.Sampling
    public typealias SearchHit = TertuliaFFI.SearchHit
    public typealias SearchPage = TertuliaFFI.SearchPage
    public typealias SearchSort = TertuliaFFI.SearchSort
    public typealias Span = TertuliaFFI.Span
    public typealias StorageKind = TertuliaFFI.StorageKind
    public typealias StorageReport = TertuliaFFI.StorageReport
    public typealias StoreProblem = TertuliaFFI.StoreProblem
    public typealias StoreProblemKind = TertuliaFFI.StoreProblemKind
    public typealias StreamEvent = TertuliaFFI.StreamEvent
    public typealias StreamEventKind = TertuliaFFI.StreamEventKind
    public typealias SummaryReport = TertuliaFFI.SummaryReport
    public typealias TextChange = TertuliaFFI.TextChange
    public typealias Tier = TertuliaFFI.Tier
    public typealias TimelineDiff = TertuliaFFI.TimelineDiff
    public typealias TimelineFocus = TertuliaFFI.TimelineFocus
    public typealias TimelineItem = TertuliaFFI.TimelineItem
    public typealias TimelineItemKind = TertuliaFFI.TimelineItemKind
    public typealias ToolCall = TertuliaFFI.ToolCall
    public typealias ToolChoice = TertuliaFFI.ToolChoice
    public typealias ToolResult = TertuliaFFI.ToolResult
    public typealias ToolSpec = TertuliaFFI.ToolSpec
    public typealias Turn = TertuliaFFI.Turn
    public typealias TurnState = TertuliaFFI.TurnState
    public typealias Usage = TertuliaFFI.Usage
    public typealias UsageBy = TertuliaFFI.UsageBy
    public typealias UsageReport = TertuliaFFI.UsageReport
    public typealias UsageRow = TertuliaFFI.UsageRow
    public typealias UsageSource = TertuliaFFI.UsageSource
    public typealias UsageTotal = TertuliaFFI.UsageTotal
    public typealias Verification = TertuliaFFI.Verification
    public typealias Window = TertuliaFFI.Window
}
