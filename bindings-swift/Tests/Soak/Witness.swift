import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The simulator, as somebody who asks what it saw.
actor Witness {
    private let url: String
    private var seen = 0

    init(_ url: String) {
        self.url = url
    }

    /// Watches for the next client that closes its connection in the middle of a reply; gives the moment.
    func watch() -> Task<ContinuousClock.Instant, Error> {
        Task {
            guard let place = URL(string: "\(url)/_simulator/hung_up?after=\(seen)") else {
                throw Wrong("\(url) is no address")
            }
            let (answer, _) = try await URLSession.shared.data(for: URLRequest(url: place, timeoutInterval: 10))
            let at = ContinuousClock.now
            guard let told = try JSONSerialization.jsonObject(with: answer) as? [String: Any],
                let seq = told["seq"] as? Int
            else { throw Wrong("the simulator does not record") }
            seen = seq
            return at
        }
    }
}
