package main

import (
	"fmt"

	"github.com/palisade-mesh/palisade/e2e/mesh"
)

// kept tells how to talk to the mesh by hand.
func (s *screen) kept(m *mesh.Mesh) {
	s.printf("\n%s\n\n", s.paint(bold, "The mesh is still running; Ctrl-C ends it."))
	for _, workload := range mesh.Workloads {
		s.printf("    %-9s https://%-22s admin http://%s\n", workload, m.Address(workload), m.Envoy(workload).AdminAddress())
	}
	s.printf("    %-9s http://%s\n", "idp", m.IdPAddress())
	s.printf("    %-9s %s\n\n", "files", m.Dir)
	s.printf("A token for five minutes:\n\n%s\n\n", tokenCommand(m))
	s.printf("Through the gateway, as a user:\n\n    curl -i --cacert %s https://%s/records/42 -H \"Authorization: Bearer $TOKEN\"\n\n",
		m.Files(mesh.Database).CA, m.Address(mesh.Gateway))
	s.printf("To the database, as backend, and with frontend's certificate:\n\n%s\n%s\n\n",
		curl(m, mesh.Backend), curl(m, mesh.Frontend))
	s.printf("What was decided so far:\n\n    curl -s http://%s/stats/prometheus | grep palisade_\n", m.Envoy(mesh.Database).AdminAddress())
}

func tokenCommand(m *mesh.Mesh) string {
	return fmt.Sprintf(`    TOKEN=$(curl -s http://%s/token -d '{"subject": "alice", "audience": %q, "claims": {"scope": "read"}}' |
        sed -E 's/.*"access_token":"([^"]+)".*/\1/')`, m.IdPAddress(), mesh.Audience)
}

func curl(m *mesh.Mesh, as string) string {
	files := m.Files(as)
	return fmt.Sprintf("    curl -i --cacert %s --cert %s --key %s https://%s/records/42 -H \"Authorization: Bearer $TOKEN\"",
		files.CA, files.Cert, files.Key, m.Address(mesh.Database))
}
