use base64::Engine as _;

use super::*;

async fn embed(simulator: &Simulator, request: Value) -> Reply {
    call(simulator, "/v1/embeddings", &request).await
}

fn vector(embedding: &Value) -> Vec<f32> {
    embedding.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn the_same_text_gives_the_same_vector_and_shared_words_bring_texts_near() {
    let simulator = Simulator::start().await.unwrap();
    let texts = ["How do I bake bread?", "Bake the bread, please", "The stock market fell", "How do I bake bread?"];
    let json = embed(&simulator, json!({"model": "m", "input": texts})).await.json();
    assert_eq!((&json["object"], &json["model"], &json["data"][1]["index"]), (&json!("list"), &json!("m"), &json!(1)));
    assert!(json["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    let vectors: Vec<Vec<f32>> =
        json["data"].as_array().unwrap().iter().map(|item| vector(&item["embedding"])).collect();
    assert_eq!(vectors[0], vectors[3]);
    for vector in &vectors {
        assert_eq!(vector.len(), 256);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5, "of length one");
    }
    assert!(cosine(&vectors[0], &vectors[1]) > cosine(&vectors[0], &vectors[2]) + 0.2);
}

#[tokio::test]
async fn base64_holds_the_same_numbers_as_floats() {
    let simulator = Simulator::start().await.unwrap();
    let request = |format: &str| json!({"model": "m", "input": "hello", "dimensions": 32, "encoding_format": format});
    let floats = vector(&embed(&simulator, request("float")).await.json()["data"][0]["embedding"]);
    let json = embed(&simulator, request("base64")).await.json();
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(json["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let decoded: Vec<f32> = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!((decoded.len(), decoded), (32, floats));
}

#[tokio::test]
async fn requests_for_vectors_that_make_no_sense_are_refused_and_scripts_apply() {
    let simulator = Simulator::start().await.unwrap();
    for request in [
        json!({"model": "m", "input": ""}),
        json!({"model": "m", "input": []}),
        json!({"model": "m", "input": ["a", ""]}),
        json!({"model": "m", "input": 7}),
        json!({"model": "m"}),
        json!({"model": "m", "input": "a", "dimensions": 0}),
        json!({"model": "m", "input": "a", "encoding_format": "int8"}),
    ] {
        let reply = embed(&simulator, request.clone()).await;
        assert_eq!((reply.status, &reply.json()["error"]["type"]), (400, &json!("invalid_request_error")), "{request}");
    }
    let reply = embed(&simulator, json!({"model": "sim:status=429;retry_after=1", "input": "a"})).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    let tokens = embed(&simulator, json!({"model": "m", "input": [[1, 2], [3]]})).await.json();
    assert_eq!(tokens["data"].as_array().unwrap().len(), 2);
}
