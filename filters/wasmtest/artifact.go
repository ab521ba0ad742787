package wasmtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Artifact is the path of a compiled filter. Without PALISADE_BUILD_DIR, which make sets, a test that needs
// one is skipped: `go test ./...` is for the code, `make wasm-test` for the modules.
func Artifact(t testing.TB, filter string) string {
	t.Helper()
	dir := os.Getenv("PALISADE_BUILD_DIR")
	if dir == "" {
		t.Skip("PALISADE_BUILD_DIR is not set: make wasm-test runs this")
	}
	file := filepath.Join(dir, filter+".wasm")
	_, err := os.Stat(file)
	require.NoError(t, err, "make build makes it")
	return file
}
