"""The real tools that turn folders into objects: kustomize (inside kubectl) and Helm.

Each is started on a private copy of the files it may read, without network, plugins or a user's
settings, within limits of time, memory and output. So its output depends on the files only.
"""
