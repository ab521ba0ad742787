package plugin_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/casetest"
)

func TestFaultsNeverWidenAccess(t *testing.T) { casetest.Faults(t, plugin.Filter, cases) }
