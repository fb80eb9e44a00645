// Written by tools/border.py.

import TertuliaFFI
@_exported import struct TertuliaFFI.Attempt
@_exported import struct TertuliaFFI.Branch
@_exported import struct TertuliaFFI.BranchPage
@_exported import enum TertuliaFFI.CacheMode
@_exported import struct TertuliaFFI.CallOptions
@_exported import struct TertuliaFFI.Citation
@_exported import struct TertuliaFFI.ContextOptions
@_exported import struct TertuliaFFI.ContextReport
@_exported import struct TertuliaFFI.ConversationChange
@_exported import struct TertuliaFFI.ConversationOpening
@_exported import struct TertuliaFFI.ConversationPage
@_exported import struct TertuliaFFI.ConversationSummary
@_exported import struct TertuliaFFI.Cost
@_exported import enum TertuliaFFI.CostSource
@_exported import enum TertuliaFFI.Detail
@_exported import struct TertuliaFFI.ErasureReport
@_exported import struct TertuliaFFI.ErrorInfo
@_exported import enum TertuliaFFI.ErrorKind
@_exported import enum TertuliaFFI.Expiry
@_exported import struct TertuliaFFI.ExportReport
@_exported import enum TertuliaFFI.FinishReason
@_exported import enum TertuliaFFI.HistoryAnchor
@_exported import enum TertuliaFFI.ImportFormat
@_exported import struct TertuliaFFI.ImportProblem
@_exported import struct TertuliaFFI.ImportReport
@_exported import struct TertuliaFFI.Media
@_exported import enum TertuliaFFI.MediaSource
@_exported import struct TertuliaFFI.Message
@_exported import struct TertuliaFFI.MessagePage
@_exported import enum TertuliaFFI.MessageStatus
@_exported import enum TertuliaFFI.MidStream
@_exported import struct TertuliaFFI.NewMessage
@_exported import struct TertuliaFFI.OutputSchema
@_exported import enum TertuliaFFI.Part
@_exported import enum TertuliaFFI.Priority
@_exported import enum TertuliaFFI.Progress
@_exported import struct TertuliaFFI.PromptCache
@_exported import struct TertuliaFFI.ProviderSpec
@_exported import enum TertuliaFFI.ReasoningEffort
@_exported import struct TertuliaFFI.Reply
@_exported import enum TertuliaFFI.ReplyStatus
@_exported import enum TertuliaFFI.Retry
@_exported import enum TertuliaFFI.RetryAfterSource
@_exported import enum TertuliaFFI.Role
@_exported import struct TertuliaFFI.SearchHit
@_exported import struct TertuliaFFI.SearchPage
@_exported import enum TertuliaFFI.SearchSort
@_exported import struct TertuliaFFI.Span
@_exported import struct TertuliaFFI.StreamEvent
@_exported import enum TertuliaFFI.StreamEventKind
@_exported import struct TertuliaFFI.SummaryReport
@_exported import enum TertuliaFFI.TextChange
@_exported import struct TertuliaFFI.ToolCall
@_exported import enum TertuliaFFI.ToolChoice
@_exported import struct TertuliaFFI.ToolResult
@_exported import struct TertuliaFFI.ToolSpec
@_exported import struct TertuliaFFI.Turn
@_exported import enum TertuliaFFI.TurnState
@_exported import struct TertuliaFFI.Usage
@_exported import enum TertuliaFFI.UsageSource

/// Everything by the name of the package.
extension Tertulia {
    public typealias Attempt = TertuliaFFI.Attempt
    public typealias Branch = TertuliaFFI.Branch
    public typealias BranchPage = TertuliaFFI.BranchPage
    public typealias CacheMode = TertuliaFFI.CacheMode
    public typealias CallOptions = TertuliaFFI.CallOptions
    public typealias Citation = TertuliaFFI.Citation
    public typealias ContextOptions = TertuliaFFI.ContextOptions
    public typealias ContextReport = TertuliaFFI.ContextReport
    public typealias ConversationChange = TertuliaFFI.ConversationChange
    public typealias ConversationOpening = TertuliaFFI.ConversationOpening
    public typealias ConversationPage = TertuliaFFI.ConversationPage
    public typealias ConversationSummary = TertuliaFFI.ConversationSummary
    public typealias Cost = TertuliaFFI.Cost
    public typealias CostSource = TertuliaFFI.CostSource
    public typealias Detail = TertuliaFFI.Detail
    public typealias ErasureReport = TertuliaFFI.ErasureReport
    public typealias ErrorInfo = TertuliaFFI.ErrorInfo
    public typealias ErrorKind = TertuliaFFI.ErrorKind
    public typealias Expiry = TertuliaFFI.Expiry
    public typealias ExportReport = TertuliaFFI.ExportReport
    public typealias FinishReason = TertuliaFFI.FinishReason
    public typealias HistoryAnchor = TertuliaFFI.HistoryAnchor
    public typealias ImportFormat = TertuliaFFI.ImportFormat
    public typealias ImportProblem = TertuliaFFI.ImportProblem
    public typealias ImportReport = TertuliaFFI.ImportReport
    public typealias Media = TertuliaFFI.Media
    public typealias MediaSource = TertuliaFFI.MediaSource
    public typealias Message = TertuliaFFI.Message
    public typealias MessagePage = TertuliaFFI.MessagePage
    public typealias MessageStatus = TertuliaFFI.MessageStatus
    public typealias MidStream = TertuliaFFI.MidStream
    public typealias NewMessage = TertuliaFFI.NewMessage
    public typealias OutputSchema = TertuliaFFI.OutputSchema
    public typealias Part = TertuliaFFI.Part
    public typealias Priority = TertuliaFFI.Priority
    public typealias Progress = TertuliaFFI.Progress
    public typealias PromptCache = TertuliaFFI.PromptCache
    public typealias ProviderSpec = TertuliaFFI.ProviderSpec
    public typealias ReasoningEffort = TertuliaFFI.ReasoningEffort
    public typealias Reply = TertuliaFFI.Reply
    public typealias ReplyStatus = TertuliaFFI.ReplyStatus
    public typealias Retry = TertuliaFFI.Retry
    public typealias RetryAfterSource = TertuliaFFI.RetryAfterSource
    public typealias Role = TertuliaFFI.Role
    public typealias SearchHit = TertuliaFFI.SearchHit
    public typealias SearchPage = TertuliaFFI.SearchPage
    public typealias SearchSort = TertuliaFFI.SearchSort
    public typealias Span = TertuliaFFI.Span
    public typealias StreamEvent = TertuliaFFI.StreamEvent
    public typealias StreamEventKind = TertuliaFFI.StreamEventKind
    public typealias SummaryReport = TertuliaFFI.SummaryReport
    public typealias TextChange = TertuliaFFI.TextChange
    public typealias ToolCall = TertuliaFFI.ToolCall
    public typealias ToolChoice = TertuliaFFI.ToolChoice
    public typealias ToolResult = TertuliaFFI.ToolResult
    public typealias ToolSpec = TertuliaFFI.ToolSpec
    public typealias Turn = TertuliaFFI.Turn
    public typealias TurnState = TertuliaFFI.TurnState
    public typealias Usage = TertuliaFFI.Usage
    public typealias UsageSource = TertuliaFFI.UsageSource
}
