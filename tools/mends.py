"""What is changed in the code that UniFFI makes: faults of it, and what makes crossing the border dear.

Each mend is held to what it takes the place of: where that is made in another way, writing the bindings fails and says why
it was changed. Stdlib only.
"""

from __future__ import annotations

from typing import NamedTuple


class Mend(NamedTuple):
    """Words that take the place of others, which are there so often; nothing: at least once."""

    why: str
    before: str
    after: str
    times: int | None = 1


KOTLIN = (
    # A job that is cancelled in the very moment in which its call is done never takes the result, and UniFFI frees the
    # call without it: a stream nobody holds would go on to its end, and what it was written to would stay in memory.
    Mend(
        "waits for calls in another way than it did: see what it does with cancelled ones",
        """\
    } finally {
        freeFunc(rustFuture)
    }
""",
        """\
    } catch (cancelled: kotlin.coroutines.cancellation.CancellationException) {
        // Done all the same? Then nobody else frees what it gave. Not done: this says so by an exception.
        runCatching {
            Disposable.destroy(
                liftFunc(uniffiRustCallWithError(errorHandler, { status -> completeFunc(rustFuture, status) }))
            )
        }
        throw cancelled
    } finally {
        freeFunc(rustFuture)
    }
""",
    ),
    # What is thrown by a host's code may be an `Error`, of which `TODO()` is one: uncaught, nobody would ever hear of it.
    Mend(
        "calls a host's code in another way than it did: see what it does with an Error",
        "catch(e: kotlin.Exception)",
        "catch(e: kotlin.Throwable)",
        None,
    ),
    # JNA lets the virtual machine forget the engine's thread behind every callback and makes it known again for the next.
    Mend(
        "hears of calls in another way than it did: see which threads the virtual machine has to be told of",
        """\
internal object uniffiRustFutureContinuationCallbackImpl: UniffiRustFutureContinuationCallback {
""",
        """\
internal object uniffiRustFutureContinuationCallbackImpl: UniffiRustFutureContinuationCallback {
    init {
        // The engine's thread stays known to the virtual machine until it ends.
        Native.setCallbackThreadInitializer(this, com.sun.jna.CallbackThreadInitializer(true, false, "tertulia"))
    }

""",
    ),
    # What a call says of itself is memory of its own for each call, which has to be freed, and is written and read field by
    # field. A call that went well says one byte.
    Mend(
        "looks at what a call says of itself in another way than it did: see whether that costs less now",
        """\
    var status = UniffiRustCallStatus()
    val return_value = callback(status)
    uniffiCheckCallStatus(errorHandler, status)
    return return_value
""",
        """\
    val status = UniffiRustCallStatus.spare()
    val return_value = callback(status)
    if (status.pointer.getByte(0) == UNIFFI_CALL_SUCCESS) {
        status.handOn()
        return return_value
    }
    status.read()
    uniffiCheckCallStatus(errorHandler, status)
    return return_value
""",
    ),
    Mend(
        "keeps what a call says of itself in another way than it did: see whether that costs less now",
        """\
    fun isPanic(): Boolean {
        return code == UNIFFI_CALL_UNEXPECTED_ERROR
    }

    companion object {
""",
        """\
    fun isPanic(): Boolean {
        return code == UNIFFI_CALL_UNEXPECTED_ERROR
    }

    /** Gives this to the next call of this thread. Only a call that went well leaves it as it was. */
    fun handOn() {
        spares.set(this)
    }

    companion object {
        private val spares = ThreadLocal<UniffiRustCallStatus?>()

        /** What a call before has handed on; a call within a call takes one of its own. */
        fun spare(): UniffiRustCallStatus {
            val spare = spares.get() ?: return UniffiRustCallStatus().apply {
                write()
                setAutoSynch(false)
            }
            spares.set(null)
            return spare
        }

""",
    ),
    # Nothing uses it, and it would be taken for our own `Library`.
    Mend("imports otherwise than it did", "import com.sun.jna.Library\n", ""),
)

_SLOW, _FAST = "(data: Data, offset: Data.Index)", "(data: UnsafeRawBufferPointer, offset: Int)"
SWIFT = (
    # Foundation's `Data` costs a call for each number that is read of it.
    Mend("reads buffers in another way than it did", _SLOW, _FAST, None),
    Mend(
        "reads buffers in another way than it did",
        "fileprivate func createReader(data: Data) ->",
        "fileprivate func createReader(data: UnsafeRawBufferPointer) ->",
    ),
    Mend(
        "takes buffers over in another way than it did",
        "createReader(data: Data(rustBuffer: buf))",
        "createReader(data: UnsafeRawBufferPointer(start: buf.data, count: Int(buf.len)))",
    ),
    Mend(
        "takes buffers over in another way than it did",
        """\
fileprivate extension Data {
    init(rustBuffer: RustBuffer) {
        self.init(
            bytesNoCopy: rustBuffer.data!,
            count: Int(rustBuffer.len),
            deallocator: .none
        )
    }
}

""",
        "",
    ),
    Mend(
        "reads numbers in another way than it did",
        """\
        let value = reader.data[reader.offset]
        reader.offset += 1
        return value as! T
    }
    var value: T = 0
    let _ = withUnsafeMutableBytes(of: &value, { reader.data.copyBytes(to: $0, from: range)})
""",
        """\
        let value = reader.data[reader.offset]
        reader.offset += 1
        return T(truncatingIfNeeded: value)
    }
    var value: T = 0
    withUnsafeMutableBytes(of: &value) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: reader.data[range])) }
""",
    ),
    Mend(
        "reads bytes in another way than it did",
        """\
count: Int) throws -> Array<UInt8> {
    let range = reader.offset..<(reader.offset+count)
    guard reader.data.count >= range.upperBound else {
        throw UniffiInternalError.bufferOverflow
    }
    var value = [UInt8](repeating: 0, count: count)
    value.withUnsafeMutableBufferPointer({ buffer in
        reader.data.copyBytes(to: buffer, from: range)
    })
    reader.offset = range.upperBound
    return value
}
""",
        """\
count: Int) throws -> UnsafeRawBufferPointer {
    let range = reader.offset..<(reader.offset+count)
    guard reader.data.count >= range.upperBound else {
        throw UniffiInternalError.bufferOverflow
    }
    reader.offset = range.upperBound
    return UnsafeRawBufferPointer(rebasing: reader.data[range])
}
""",
    ),
)


def mended(text: str, mends: tuple[Mend, ...]) -> str:
    """Make the changes, each of which must be possible."""
    for mend in mends:
        found = text.count(mend.before)
        if found == 0 or (mend.times is not None and found != mend.times):
            raise SystemExit(f"UniFFI {mend.why}")
        text = text.replace(mend.before, mend.after)
    return text
