#!/usr/bin/env bash
# Lays out a NiFi Registry from its published Maven artifacts: assemble.sh VERSION HOME
#
# HOME gets lib/ and, when all is there, a file `version`. Does nothing if that is so already. Needs mvn.
# Only 0.8.0 has its server among the published artifacts; newer ones come as distributions.
set -euo pipefail

die() { echo "assemble.sh: $*" >&2; exit 1; }

dependency() {
  echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId>${3:+<version>$3</version>}<type>${4:-jar}</type><scope>runtime</scope></dependency>"
}

registry() { dependency org.apache.nifi.registry "nifi-registry-$1" "$version" "${2:-jar}"; }

dependencies() {
  local name
  registry web-api war
  for name in runtime utils security-api provider-api; do registry "$name"; done
  dependency ch.qos.logback logback-classic
  for name in slf4j-api jcl-over-slf4j jul-to-slf4j log4j-over-slf4j; do dependency org.slf4j "$name"; done
  # Part of the JDK until 10.
  dependency jakarta.xml.bind jakarta.xml.bind-api 2.3.3
  dependency org.glassfish.jaxb jaxb-runtime 2.3.9
}

# Versions not given above are the release's own, from its parent POM.
pom() {
  cat <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>registry-home</artifactId><version>1</version><packaging>pom</packaging>
<dependencyManagement><dependencies><dependency><groupId>org.apache.nifi.registry</groupId>
<artifactId>nifi-registry</artifactId><version>$version</version><type>pom</type><scope>import</scope>
</dependency></dependencies></dependencyManagement>
<dependencies>$(dependencies)</dependencies></project>
XML
}

# The server insists on a UI and a documentation WAR; empty ones do.
empty_war() { printf 'PK\005\006\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' > "$1"; }

[ $# = 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
version=$1 home=$2
[ "$(cat "$home/version" 2>/dev/null)" != "$version" ] || exit 0
[ ! -e "$home" ] || die "$home is there, but holds no complete Registry $version; remove it"
mkdir -p "$(dirname "$home")"
work=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$work"' EXIT
pom > "$work/pom.xml"
mvn -q -B -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
  -DincludeScope=runtime "-DoutputDirectory=$work/lib" || die "Maven could not resolve NiFi Registry $version"
for name in ui docs; do empty_war "$work/lib/nifi-registry-web-$name-0.war"; done
rm "$work/pom.xml"
echo "$version" > "$work/version"
# Whole or not at all, also if two run at once.
mv -T "$work" "$home" 2>/dev/null || [ "$(cat "$home/version" 2>/dev/null)" = "$version" ] || die "cannot create $home"
