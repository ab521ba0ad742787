package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// KeyPair is a certificate with its private key.
type KeyPair struct {
	CertPEM, KeyPEM []byte
	TLS             tls.Certificate
}

// Files are the places of a key pair and of the authority that vouches for the
// other side, as a proxy's configuration wants them.
type Files struct {
	Cert, Key, CA string
}

// WriteFiles writes dir/name.crt and dir/name.key; the key is readable by its
// owner only. The result's CA is left for the caller to fill in.
func (p *KeyPair) WriteFiles(dir, name string) (Files, error) {
	files := Files{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
	if err := os.WriteFile(files.Cert, p.CertPEM, 0o644); err != nil {
		return Files{}, fmt.Errorf("pki: %w", err)
	}
	if err := os.WriteFile(files.Key, p.KeyPEM, 0o600); err != nil {
		return Files{}, fmt.Errorf("pki: %w", err)
	}
	return files, nil
}

// ClientConfig is the TLS configuration of a workload that calls another one:
// it presents pair (nil: no certificate) and accepts only a server with the
// SPIFFE ID serverID.
func (ca *CA) ClientConfig(pair *KeyPair, serverID string) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// An X509-SVID has no host name to compare, so the standard check
		// cannot be used: VerifyConnection does the chain and the ID.
		InsecureSkipVerify: true,
		VerifyConnection:   verifyServer(ca.Pool(), serverID),
	}
	if pair != nil {
		// Given as a callback so that the certificate is sent whatever
		// authorities the server names: an attacker would do the same.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &pair.TLS, nil
		}
	}
	return config
}

func verifyServer(roots *x509.CertPool, id string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("pki: the server sent no certificate")
		}
		leaf := state.PeerCertificates[0]
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
			return fmt.Errorf("pki: %w", err)
		}
		if len(leaf.URIs) != 1 || leaf.URIs[0].String() != id {
			return fmt.Errorf("pki: the server is %v, not %s", leaf.URIs, id)
		}
		return nil
	}
}
