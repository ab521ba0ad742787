// Package e2e tests the compiled filters in a stock Envoy.
package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/mesh"
	"github.com/palisade-mesh/palisade/e2e/pki"
)

func TestMain(m *testing.M) {
	mesh.Main()
	// Without an Envoy nothing here can be tested, and that must not look
	// like success.
	if _, err := envoy.Binary(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// startEnvoy runs an Envoy until the end of the test, and shows its log if the
// test fails.
func startEnvoy(t *testing.T, bootstrap string) *envoy.Envoy {
	t.Helper()
	return startEnvoyWith(t, envoy.Options{Bootstrap: bootstrap})
}

func startEnvoyWith(t *testing.T, o envoy.Options) *envoy.Envoy {
	t.Helper()
	e, err := tryEnvoy(t, o)
	require.NoError(t, err)
	return e
}

func tryEnvoy(t *testing.T, o envoy.Options) (*envoy.Envoy, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := envoy.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(e.Log())
		}
		assert.NoError(t, e.Stop())
	})
	return e, nil
}

// newServerCA is a CA, with the files of a server to which it has given an identity.
func newServerCA(t *testing.T, id string) (*pki.CA, pki.Files) {
	t.Helper()
	ca, err := pki.NewCA("example.org")
	require.NoError(t, err)
	server, err := ca.Issue(pki.WithIDs(id))
	require.NoError(t, err)
	dir := t.TempDir()
	files, err := server.WriteFiles(dir, "server")
	require.NoError(t, err)
	files.CA, err = ca.WriteFile(dir)
	require.NoError(t, err)
	return ca, files
}

func startUpstream(t *testing.T) *envoy.Upstream {
	t.Helper()
	upstream := envoy.StartUpstream()
	t.Cleanup(upstream.Stop)
	return upstream
}

func render(t *testing.T, b envoy.Bootstrap) string {
	t.Helper()
	text, err := b.String()
	require.NoError(t, err)
	return text
}

// get sends a GET and returns the status and the body.
func get(t *testing.T, tlsConfig *tls.Config, url string, header http.Header) (int, string) {
	t.Helper()
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true},
		Timeout:   10 * time.Second,
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	if header != nil {
		request.Header = header
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// refused asserts that Envoy did not take its configuration.
func refused(t *testing.T, err error) *envoy.RefusedError {
	t.Helper()
	var refusal *envoy.RefusedError
	require.True(t, errors.As(err, &refusal), "want a refused configuration, got %v", err)
	return refusal
}

// freePort is a port of 127.0.0.1 that nobody listened on just now.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return port(t, listener.Addr().String())
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	require.NoError(t, err)
	number, err := strconv.Atoi(text)
	require.NoError(t, err)
	return number
}
