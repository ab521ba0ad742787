package coreruleset_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/coreruleset"
)

// serveBackend listens for what Envoy hands on, and returns its port.
func serveBackend(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go coreruleset.Serve(listener)
	return listener.Addr().(*net.TCPAddr).Port
}
