// Package pki is a throw-away certificate authority that issues SPIFFE X.509
// identities (X509-SVIDs) for tests and for the demo mesh.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// lifetime of the authority and, unless an option says otherwise, of what it
// issues: long enough for a demo that is left running, short enough to be
// worthless afterwards.
const lifetime = 12 * time.Hour

// CA is a certificate authority that lives only in memory. Its key is never
// written to disk.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// NewCA makes an authority with a fresh ECDSA P-256 key for a SPIFFE trust
// domain such as "example.org".
func NewCA(trustDomain string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: trustDomain + " throw-away CA"},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: trustDomain}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(lifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return &CA{cert: cert, key: key, pem: encode("CERTIFICATE", der)}, nil
}

// PEM is the authority's certificate.
func (ca *CA) PEM() []byte { return ca.pem }

// Pool holds the authority as the only root.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// WriteFile writes the authority's certificate as dir/ca.crt and returns the
// path.
func (ca *CA) WriteFile(dir string) (string, error) {
	path := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(path, ca.pem, 0o644); err != nil {
		return "", fmt.Errorf("pki: %w", err)
	}
	return path, nil
}

// Option changes what Issue puts into a certificate.
type Option func(*x509.Certificate) error

// WithIDs sets the URI subject alternative names. A valid X509-SVID has
// exactly one; none or several make certificates that must not be trusted.
func WithIDs(ids ...string) Option {
	return func(c *x509.Certificate) error {
		c.URIs = nil
		for _, id := range ids {
			uri, err := url.Parse(id)
			if err != nil {
				return err
			}
			c.URIs = append(c.URIs, uri)
		}
		return nil
	}
}

// WithHosts adds DNS names and IP addresses, as a server on the internet has.
func WithHosts(hosts ...string) Option {
	return func(c *x509.Certificate) error {
		for _, host := range hosts {
			if ip := net.ParseIP(host); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, host)
			}
		}
		return nil
	}
}

// Expired makes a certificate that was valid until one hour ago.
func Expired() Option {
	return func(c *x509.Certificate) error {
		c.NotBefore = time.Now().Add(-2 * time.Hour)
		c.NotAfter = time.Now().Add(-time.Hour)
		return nil
	}
}

// Issue makes a key pair for a workload. Without options other than the ID it
// is a valid X509-SVID for client and server authentication.
func (ca *CA) Issue(options ...Option) (*KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	template := &x509.Certificate{
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(lifetime),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, option := range options {
		if err := option(template); err != nil {
			return nil, fmt.Errorf("pki: %w", err)
		}
	}
	der, err := sign(template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	pair := &KeyPair{CertPEM: encode("CERTIFICATE", der), KeyPEM: encode("PRIVATE KEY", keyDER)}
	if pair.TLS, err = tls.X509KeyPair(pair.CertPEM, pair.KeyPEM); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return pair, nil
}

func sign(template, parent *x509.Certificate, public any, key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return der, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
