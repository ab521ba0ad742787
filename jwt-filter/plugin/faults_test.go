package plugin_test

import (
	"testing"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

func TestFaultsNeverWidenAccess(t *testing.T) { casetest.Faults(t, plugin.Filter, cases) }
