// Package configs makes the configurations in envoy-configs/ ready to run, with
// throw-away certificates and keys.
package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
	"github.com/goccy/go-yaml"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/idp"
	"github.com/palisade-mesh/palisade/e2e/mesh"
	"github.com/palisade-mesh/palisade/e2e/pki"
)

// Folders that the configurations name, relative to the root of the module.
const (
	certsFolder = "build/certs"
	buildFolder = "build"
)

// Egress is the egress gateway's SPIFFE ID.
const Egress = "spiffe://" + mesh.TrustDomain + "/ns/edge/sa/egress"

// ExternalHosts are the hosts that the egress gateway knows.
var ExternalHosts = []string{"rates.partner.example", "pay.partner.example"}

// Credentials are what it takes to run the configurations and to call them.
type Credentials struct {
	Dir string
	*mesh.Identities
	// External is the authority that vouches for ExternalHosts. It means
	// nothing inside the mesh.
	External *pki.CA
	provider *idp.Provider
}

// Issue makes throw-away credentials and writes the certificates to dir.
func Issue(dir string) (*Credentials, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	identities, err := mesh.IssueIdentities(dir)
	if err != nil {
		return nil, err
	}
	provider, err := idp.New(mesh.Issuer)
	if err != nil {
		return nil, err
	}
	c := &Credentials{Dir: dir, Identities: identities, provider: provider}
	return c, c.issueEgress()
}

// issueEgress writes egress.crt, and external.crt of external-ca.crt.
func (c *Credentials) issueEgress() error {
	var err error
	if c.External, err = pki.NewCA("partner.example"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "external-ca.crt"), c.External.PEM(), 0o644); err != nil {
		return fmt.Errorf("configs: %w", err)
	}
	egress, err := c.CA.Issue(pki.WithIDs(Egress), pki.WithHosts("127.0.0.1"))
	if err != nil {
		return err
	}
	if _, err := egress.WriteFiles(c.Dir, "egress"); err != nil {
		return err
	}
	external, err := c.External.Issue(pki.WithHosts(ExternalHosts...))
	if err != nil {
		return err
	}
	_, err = external.WriteFiles(c.Dir, "external")
	return err
}

// Token is a valid token of a user with these scopes.
func (c *Credentials) Token(scope string) (string, error) { return c.TokenOf("alice", scope) }

// TokenOf is a valid token of this user.
func (c *Credentials) TokenOf(user, scope string) (string, error) {
	return c.provider.Sign(jose.ES256, c.provider.Claims(user, mesh.Audience, idp.Claims{"scope": scope}))
}

// Names are the configurations, without their folder.
func Names() ([]string, error) {
	root, err := envoy.ModuleRoot()
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(root, "envoy-configs", "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("configs: %w", err)
	}
	if len(paths) == 0 {
		return nil, errors.New("configs: nothing in envoy-configs")
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	return names, nil
}

// Render is a configuration with everything in it that differs from machine to
// machine: absolute file names, the issuer's keys, and other ports where ports
// has any (0 means any free one). Otherwise it is what the file says.
func (c *Credentials) Render(name string, ports map[int]int) (string, error) {
	root, err := envoy.ModuleRoot()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "envoy-configs", name))
	if err != nil {
		return "", fmt.Errorf("configs: %w", err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return "", fmt.Errorf("configs: %s: %w", name, err)
	}
	r := &renderer{certs: c.Dir, keys: c.provider.JWKS(), ports: ports}
	if err := r.visit(document); err != nil {
		return "", fmt.Errorf("configs: %s: %w", name, err)
	}
	rendered, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return "", fmt.Errorf("configs: %s: %w", name, err)
	}
	return string(rendered), nil
}
