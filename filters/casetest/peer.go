package casetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// setPeer gives the attributes that Envoy has of a client's certificate with these URIs.
func setPeer(t *testing.T, properties map[string]string, uris []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	for _, uri := range uris {
		u, err := url.Parse(uri)
		require.NoError(t, err)
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	digest := sha256.Sum256(der)
	properties["connection.uri_san_peer_certificate"] = uris[0]
	properties["connection.sha256_peer_certificate_digest"] = hex.EncodeToString(digest[:])
	properties["connection.peer_certificate"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
