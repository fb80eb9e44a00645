// Written by tools/border.py.

import TertuliaFFI
@_exported import struct TertuliaFFI.Attempt
@_exported import struct TertuliaFFI.CallOptions
@_exported import struct TertuliaFFI.Citation
@_exported import struct TertuliaFFI.Cost
@_exported import enum TertuliaFFI.CostSource
@_exported import struct TertuliaFFI.ErrorInfo
@_exported import enum TertuliaFFI.ErrorKind
@_exported import enum TertuliaFFI.FinishReason
@_exported import enum TertuliaFFI.HistoryAnchor
@_exported import struct TertuliaFFI.Media
@_exported import enum TertuliaFFI.MediaSource
@_exported import struct TertuliaFFI.Message
@_exported import struct TertuliaFFI.MessagePage
@_exported import enum TertuliaFFI.MessageStatus
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
@_exported import struct TertuliaFFI.StreamEvent
@_exported import enum TertuliaFFI.StreamEventKind
@_exported import struct TertuliaFFI.ToolCall
@_exported import enum TertuliaFFI.ToolChoice
@_exported import struct TertuliaFFI.ToolResult
@_exported import struct TertuliaFFI.ToolSpec
@_exported import struct TertuliaFFI.Usage
@_exported import enum TertuliaFFI.UsageSource

/// Everything by the name of the package.
extension Tertulia {
    public typealias Attempt = TertuliaFFI.Attempt
    public typealias CallOptions = TertuliaFFI.CallOptions
    public typealias Citation = TertuliaFFI.Citation
    public typealias Cost = TertuliaFFI.Cost
    public typealias CostSource = TertuliaFFI.CostSource
    public typealias ErrorInfo = TertuliaFFI.ErrorInfo
    public typealias ErrorKind = TertuliaFFI.ErrorKind
    public typealias FinishReason = TertuliaFFI.FinishReason
    public typealias HistoryAnchor = TertuliaFFI.HistoryAnchor
    public typealias Media = TertuliaFFI.Media
    public typealias MediaSource = TertuliaFFI.MediaSource
    public typealias Message = TertuliaFFI.Message
    public typealias MessagePage = TertuliaFFI.MessagePage
    public typealias MessageStatus = TertuliaFFI.MessageStatus
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
    public typealias StreamEvent = TertuliaFFI.StreamEvent
    public typealias StreamEventKind = TertuliaFFI.StreamEventKind
    public typealias ToolCall = TertuliaFFI.ToolCall
    public typealias ToolChoice = TertuliaFFI.ToolChoice
    public typealias ToolResult = TertuliaFFI.ToolResult
    public typealias ToolSpec = TertuliaFFI.ToolSpec
    public typealias Usage = TertuliaFFI.Usage
    public typealias UsageSource = TertuliaFFI.UsageSource
}
