package mesh

import (
	"crypto/tls"
	"os"

	"github.com/palisade-mesh/palisade/e2e/pki"
)

// internet names the certificate that the gateway shows to browsers.
const internet = "internet"

// Identities are the certificates of all workloads, in memory and on disk.
type Identities struct {
	CA     *pki.CA
	caFile string
	pairs  map[string]*pki.KeyPair
	files  map[string]pki.Files
}

// IssueIdentities makes an authority, has it issue a certificate for every
// workload, and writes all of it, but the authority's key, to dir.
func IssueIdentities(dir string) (*Identities, error) {
	ca, err := pki.NewCA(TrustDomain)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	i := &Identities{CA: ca, pairs: map[string]*pki.KeyPair{}, files: map[string]pki.Files{}}
	if i.caFile, err = ca.WriteFile(dir); err != nil {
		return nil, err
	}
	for _, workload := range Workloads {
		// The address is there for curl, which knows nothing of SPIFFE; the
		// workloads themselves compare IDs only.
		if err := i.issue(dir, workload, pki.WithIDs(ID(workload)), pki.WithHosts("127.0.0.1")); err != nil {
			return nil, err
		}
	}
	return i, i.issue(dir, internet, pki.WithHosts("localhost", "127.0.0.1"))
}

func (i *Identities) issue(dir, name string, options ...pki.Option) error {
	pair, err := i.CA.Issue(options...)
	if err != nil {
		return err
	}
	files, err := pair.WriteFiles(dir, name)
	if err != nil {
		return err
	}
	files.CA = i.caFile
	i.pairs[name], i.files[name] = pair, files
	return nil
}

// Files are a workload's certificate and key on disk.
func (i *Identities) Files(workload string) pki.Files { return i.files[workload] }

// KeyPair is a workload's certificate and key; nil for None.
func (i *Identities) KeyPair(workload string) *pki.KeyPair { return i.pairs[workload] }

// ClientTLS is how a workload, or None, calls another one.
func (i *Identities) ClientTLS(from, to string) *tls.Config {
	return i.CA.ClientConfig(i.pairs[from], ID(to))
}

// InternetTLS is how somebody on the internet calls the gateway.
func (i *Identities) InternetTLS() *tls.Config {
	return &tls.Config{RootCAs: i.CA.Pool(), MinVersion: tls.VersionTLS12}
}
