// A module of its own: it is written as any filter on this SDK is, and only filters/sdk of Palisade imports the SDK.
module github.com/palisade-mesh/palisade/e2e/bench/empty

go 1.26.0

require github.com/tetratelabs/proxy-wasm-go-sdk v0.24.0
