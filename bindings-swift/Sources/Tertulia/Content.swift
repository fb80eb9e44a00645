import Foundation
import TertuliaFFI

extension Part: ExpressibleByStringInterpolation {
    /// Words.
    public init(stringLiteral text: String) {
        self = .text(text)
    }

    /// Words.
    public static func text(_ text: String) -> Part {
        .text(text: text, citations: [])
    }

    /// A picture in a file, which is read when it is sent.
    public static func image(path: String) -> Part {
        .image(media: Media(source: .path(path: path)))
    }

    /// A picture in hand, such as an `image/png`.
    public static func image(data: Data, mimeType: String) -> Part {
        .image(media: Media(source: .data(data: data), mimeType: mimeType))
    }

    /// A picture that the provider fetches.
    public static func image(url: String) -> Part {
        .image(media: Media(source: .url(url: url)))
    }

    /// A sound in a file, which is read when it is sent.
    public static func audio(path: String) -> Part {
        .audio(media: Media(source: .path(path: path)))
    }

    /// A sound in hand, such as an `audio/wav`.
    public static func audio(data: Data, mimeType: String) -> Part {
        .audio(media: Media(source: .data(data: data), mimeType: mimeType))
    }

    /// A sound that the provider fetches.
    public static func audio(url: String) -> Part {
        .audio(media: Media(source: .url(url: url)))
    }

    /// A document in a file, which is read when it is sent.
    public static func file(path: String) -> Part {
        .file(media: Media(source: .path(path: path)))
    }

    /// A document in hand, such as an `application/pdf`.
    public static func file(data: Data, mimeType: String) -> Part {
        .file(media: Media(source: .data(data: data), mimeType: mimeType))
    }

    /// A document that the provider fetches.
    public static func file(url: String) -> Part {
        .file(media: Media(source: .url(url: url)))
    }
}
