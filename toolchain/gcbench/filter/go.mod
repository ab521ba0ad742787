// A module of its own, so that a collector that is only compared does not become a dependency of Palisade.
module github.com/palisade-mesh/palisade/toolchain/gcbench/filter

go 1.26.0

require (
	github.com/tetratelabs/proxy-wasm-go-sdk v0.24.0
	github.com/wasilibs/nottinygc v0.7.1
)

require github.com/magefile/mage v1.14.0 // indirect
