package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// trapThreshold is how many headers make the trapping module trap. An ordinary
// request through Envoy has about ten.
const trapThreshold = 60

// writeTrapModule writes a Proxy-Wasm module that lets every request pass, but
// executes `unreachable`, as a panic does, at one with trapThreshold headers
// or more. It is put together by hand, so that the test needs no compiler; the
// bytes are those of
// https://webassembly.github.io/spec/core/binary/modules.html.
func writeTrapModule(t *testing.T) string {
	t.Helper()
	const (
		i32         = 0x7f
		funcType    = 0x60
		exportFunc  = 0
		exportMem   = 2
		localGet    = 0x20
		i32Const    = 0x41
		i32GeS      = 0x4e
		ifEmpty     = 0x04
		void        = 0x40
		unreachable = 0x00
		end         = 0x0b
	)
	// Type indexes.
	const (
		nullary  = iota // () -> ()
		oneIn           // (i32) -> i32
		binary          // (i32, i32) -> i32
		ternary         // (i32, i32, i32) -> i32
		consumes        // (i32, i32) -> ()
	)
	types := [][]byte{
		{funcType, 0, 0},
		{funcType, 1, i32, 1, i32},
		{funcType, 2, i32, i32, 1, i32},
		{funcType, 3, i32, i32, i32, 1, i32},
		{funcType, 2, i32, i32, 0},
	}
	yes := []byte{i32Const, 1}
	functions := []struct {
		name string
		kind byte
		code []byte
	}{
		{"proxy_abi_version_0_2_1", nullary, nil},
		// The host asks for memory to pass the configuration; one place will
		// do, as nothing is ever kept.
		{"proxy_on_memory_allocate", oneIn, []byte{i32Const, 0x80, 0x08}}, // address 1024
		{"proxy_on_context_create", consumes, nil},
		{"proxy_on_vm_start", binary, yes},
		{"proxy_on_configure", binary, yes},
		{"proxy_on_request_headers", ternary, []byte{
			localGet, 1, i32Const, trapThreshold, i32GeS, ifEmpty, void, unreachable, end,
			i32Const, 0, // Continue
		}},
	}

	var kinds, exports, codes [][]byte
	exports = append(exports, slices.Concat(name("memory"), []byte{exportMem, 0}))
	for i, f := range functions {
		kinds = append(kinds, []byte{f.kind})
		exports = append(exports, slices.Concat(name(f.name), []byte{exportFunc, byte(i)}))
		codes = append(codes, sized(slices.Concat([]byte{0}, f.code, []byte{end})))
	}
	module := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(3, kinds), section(5, [][]byte{{0, 1}}), section(7, exports), section(10, codes))

	path := filepath.Join(t.TempDir(), "trap.wasm")
	require.NoError(t, os.WriteFile(path, module, 0o600))
	return path
}

// section is a vector of entries under a section ID.
func section(id byte, entries [][]byte) []byte {
	content := uleb128(len(entries))
	for _, entry := range entries {
		content = append(content, entry...)
	}
	return append([]byte{id}, sized(content)...)
}

func name(text string) []byte { return sized([]byte(text)) }

// sized puts the length before the content.
func sized(content []byte) []byte { return append(uleb128(len(content)), content...) }

// uleb128 is the encoding of unsigned numbers.
func uleb128(n int) []byte {
	var encoded []byte
	for ; n >= 0x80; n >>= 7 {
		encoded = append(encoded, byte(n)|0x80)
	}
	return append(encoded, byte(n))
}
