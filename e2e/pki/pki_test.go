package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const database = "spiffe://example.org/ns/shop/sa/database"

func TestIssue(t *testing.T) {
	ca, err := NewCA("example.org")
	require.NoError(t, err)
	tests := []struct {
		name    string
		options []Option
		ids     int
		err     string
	}{
		{"one ID", []Option{WithIDs(database)}, 1, ""},
		{"two IDs", []Option{WithIDs(database, database+"2")}, 2, ""},
		{"no ID", nil, 0, ""},
		{"expired", []Option{WithIDs(database), Expired()}, 1, "expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pair, err := ca.Issue(test.options...)
			require.NoError(t, err)
			leaf := pair.TLS.Leaf
			assert.Len(t, leaf.URIs, test.ids)
			_, err = leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if test.err == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, test.err)
			}
		})
	}
}

func TestWriteFiles(t *testing.T) {
	ca, err := NewCA("example.org")
	require.NoError(t, err)
	pair, err := ca.Issue(WithIDs(database))
	require.NoError(t, err)
	files, err := pair.WriteFiles(t.TempDir(), "database")
	require.NoError(t, err)
	_, err = tls.LoadX509KeyPair(files.Cert, files.Key)
	assert.NoError(t, err)
	info, err := os.Stat(files.Key)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestClientConfig(t *testing.T) {
	ca, err := NewCA("example.org")
	require.NoError(t, err)
	other, err := NewCA("example.org")
	require.NoError(t, err)
	pair, err := ca.Issue(WithIDs(database))
	require.NoError(t, err)

	assert.NoError(t, handshake(t, pair, ca.ClientConfig(nil, database)))
	assert.ErrorContains(t, handshake(t, pair, ca.ClientConfig(nil, database+"2")), "not spiffe://")
	assert.ErrorContains(t, handshake(t, pair, other.ClientConfig(nil, database)), "unknown authority")
}

// handshake is the client's view of a TLS handshake with a server.
func handshake(t *testing.T, server *KeyPair, client *tls.Config) error {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server.TLS}})
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err == nil {
		_ = conn.Close()
	}
	return err
}
