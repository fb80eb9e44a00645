// Tools: the model asks, your code answers. `send` never runs your code.
import Foundation
import Tertulia

func tools() async throws {
    let weather = ToolSpec(
        name: "weather", description: "The weather in a city",
        parameters: """
            {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
            """)

    // Without TERTULIA_MODEL the bundled simulator plays a model that asks for the weather.
    let simulated = #"echo/sim:tool=weather:{"city":"Cadiz"};text=Warm:%20take%20a%20hat."#
    let model = ProcessInfo.processInfo.environment["TERTULIA_MODEL"] ?? simulated

    let tertulia = try await Tertulia.open("memory:", model: model)
    let chat = tertulia.user().newConversation()
    var reply = try await chat.send("What shall I wear in Cádiz?", options: .init(tools: [weather]))
    while !reply.toolCalls.isEmpty {
        var results: [Part] = []
        for call in reply.toolCalls {
            print("\(call.name)(\(call.arguments))")
            let output = #"{"celsius": 24, "sky": "clear"}"#
            results.append(.toolResult(result: ToolResult(callId: call.id, output: output)))
        }
        reply = try await chat.send(results, options: .init(tools: [weather]))
    }
    print(reply.text)
    try await tertulia.close()
}
